import { dryRun } from "../backfill/dry-run.ts";
import { backfillPerRow } from "../backfill/per-row.ts";
import { showProgress } from "../backfill/progress.ts";
import { invocation } from "../invocation.ts";
import { formatDuration } from "../timing/format-duration.ts";
import { runBackfill, type BackfillReport } from "../backfill/run-backfill.ts";
import { SetupError, UsageError } from "../errors.ts";
import { stopLending } from "../ledger/stop-lending.ts";
import type { Source } from "../sources/source.ts";
import { choose } from "../sources/choose-sources.ts";
import { describeDryRun } from "./describe-dry-run.ts";
import { parseCommand, wholeNumber, type Command, type Options } from "./command.ts";
import { withDatabase } from "./with-database.ts";
import { abortedBySignal } from "./stop-signal.ts";

const OPTIONS = {
  source: { type: "string", value: "NAME", about: "works on this source alone; default: all sources" },
  all: { type: "boolean", default: false, about: "embeds every row again, even if its vector is current" },
  fresh: {
    type: "boolean",
    default: false,
    about: "the same, and takes no vector that another row or the cache has",
  },
  "dry-run": {
    type: "boolean",
    default: false,
    about: "sends nothing, writes nothing, and reports rows, tokens, cost and time",
  },
  sample: {
    type: "string",
    value: "N",
    about: "with --dry-run: sends N texts, checks the answers and keeps the vectors",
  },
  "per-row": { type: "boolean", default: false, about: "sends one request per row; only for comparison" },
  json: { type: "boolean", default: false, about: "prints one JSON document, and nothing else on stdout" },
} as const satisfies Options;

export const backfill: Command = {
  usage: invocation(
    "backfill",
    "[--source NAME] [--all | --fresh] [--dry-run [--sample 50]] [--per-row] [--json]",
  ),
  summary:
    "embed every row that has no current vector; --dry-run sends nothing and estimates what it would take",
  options: OPTIONS,
  examples: [
    [invocation("backfill", "--dry-run"), "what it would take; no text is sent"],
    [
      invocation("backfill", "--source tickets"),
      "one source; run it again after an interruption, and it continues",
    ],
  ],
  async run(args) {
    const { values } = parseCommand(backfill, args, {
      options: OPTIONS,
    });
    const sample = sampleSize(values.sample, values["dry-run"]);
    const signal = abortedBySignal();
    const { fresh, json } = values;
    const all = values.all || fresh;
    if (fresh && (values["dry-run"] || values["per-row"])) {
      throw new UsageError(
        "--fresh embeds the text of every row again, in batches, and estimates nothing.",
        "Leave out --dry-run and --per-row.",
      );
    }
    const progress = showProgress(json ? "none" : process.stderr.isTTY ? "bar" : "lines");
    return await withDatabase(async (db, config) => {
      const { sources, chunked } = await choose(db, values.source);
      if (values["dry-run"]) {
        const reports = [];
        for (const source of sample === null ? sources : notPaused(sources))
          reports.push(await dryRun(db, config, source, { sample, all, signal }));
        console.log(json ? JSON.stringify(reports) : reports.map(describeDryRun).join("\n\n"));
        return 0;
      }
      if (values["per-row"]) {
        let rows = 0;
        for (const source of sources) rows += await backfillPerRow(db, config, source, { progress, signal });
        console.log(json ? JSON.stringify({ rows }) : `${rows} rows embedded, one at a time.`);
        return signal.aborted ? 1 : 0;
      }
      const onProblem = (problem: string): void => {
        console.error(problem);
      };
      if (fresh) await stopLending(db, notPaused(sources));
      const report = await runBackfill(config, notPaused(sources), {
        chunked: chunked.filter((chunkedSource) => !chunkedSource.paused),
        all,
        progress,
        onProblem,
        onPaused: (names) => {
          const remedy = invocation("resume", names.slice(0, 1));
          console.error(`${names.join(", ")} is paused, so its pending rows wait. To continue: ${remedy}`);
        },
        signal,
      });
      console.log(json ? JSON.stringify(report) : describe(report));
      return report.pending > 0 || report.failed > 0 ? 1 : 0;
    }, signal);
  },
};

/** Texts that a dry run sends, at most: they are held in memory, and a backfill embeds the rest as well. */
const LARGEST_SAMPLE = 1_000;

/** Texts that the dry run sends; null for none. @throws {UsageError} */
function sampleSize(sample: string | undefined, isDryRun: boolean): number | null {
  if (sample === undefined) return null;
  if (!isDryRun) {
    throw new UsageError(
      "--sample is a part of a dry run, and this would be a backfill of all rows.",
      `Run: ${invocation("backfill", "--dry-run --sample 50")}`,
    );
  }
  return wholeNumber("--sample", sample, 1, LARGEST_SAMPLE);
}

/** Leaves out paused sources: nothing of theirs is sent until a person resumes them. @throws {SetupError} if none is left. */
function notPaused<T extends Source>(sources: readonly T[]): T[] {
  const paused = sources.filter((source) => source.paused).map(({ name }) => name);
  if (paused.length === 0) return [...sources];
  const problem = `Paused sources are not embedded: ${paused.join(", ")}.`;
  const remedy = invocation("resume", paused.slice(0, 1));
  if (paused.length === sources.length) throw new SetupError(problem, remedy);
  console.error(`${problem} ${remedy}`);
  return sources.filter((source) => !source.paused);
}

function describe({ done, cached, failed, pending, tokens, seconds }: BackfillReport): string {
  const speed = Math.round(done / seconds);
  const left = pending > 0 ? ` ${pending} rows are still pending: run the command again to continue.` : "";
  const failures = failed > 0 ? ` ${failed} rows failed: see ${invocation("failed")}.` : "";
  return `${done} rows done in ${formatDuration(seconds)} (${speed} rows/s), ${cached} of them with known texts, ${tokens} tokens.${left}${failures}`;
}
