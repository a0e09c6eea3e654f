import { refuseWithoutBatches } from "../batches/batch-offers.ts";
import { dryRun } from "../backfill/dry-run.ts";
import { backfillPerRow, type PerRowCount } from "../backfill/per-row.ts";
import { showProgress } from "../backfill/progress.ts";
import type { BackfillPlan } from "../backfill/plan-backfill.ts";
import { invocation } from "../invocation.ts";
import { runBackfill } from "../backfill/run-backfill.ts";
import { SetupError, UsageError } from "../errors.ts";
import { stopLending } from "../ledger/stop-lending.ts";
import { respellKeys } from "../sources/respell-keys.ts";
import type { Source } from "../sources/source.ts";
import { choose } from "../sources/choose-sources.ts";
import { planLimits, wantedLimits } from "./backfill-limits.ts";
import { describeBackfillPlan } from "./describe-backfill-plan.ts";
import { describeBackfill } from "./describe-backfill.ts";
import { describeDryRun } from "./describe-dry-run.ts";
import { JSON_OPTION, parseCommand, wholeNumber, type Command, type Options } from "./command.ts";
import { refuseTogether } from "./options-together.ts";
import { forEachSource } from "./for-each-source.ts";
import { printParts } from "./print-parts.ts";
import { reportLeftOut } from "./report-left-out.ts";
import { refuseBesideOtherVersions } from "./refuse-other-versions.ts";
import { withDatabase } from "./with-database.ts";
import { abortedBySignal } from "./stop-signal.ts";

const OPTIONS = {
  source: { type: "string", value: "NAME", about: "works on this source alone; default: all sources" },
  all: {
    type: "boolean",
    default: false,
    about: "looks at every row; a text that a row or the cache has a vector for is not sent again",
  },
  fresh: {
    type: "boolean",
    default: false,
    about: "looks at every row, and sends each text once again",
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
  batch: {
    type: "boolean",
    default: false,
    about: "goes through the provider's batch API: half the price (Voyage: a third off), within a day",
  },
  "no-batch": {
    type: "boolean",
    default: false,
    about: "goes by requests, also where --by would choose batches",
  },
  by: {
    type: "string",
    value: "TIME",
    about:
      'when it is to be done, such as "Mon 08:00" or 2030-01-31T08:00: it goes no faster than that needs, and by batch if there is time for it',
  },
  spend: {
    type: "string",
    value: "MONEY",
    about:
      "stops when it has cost that much, in the currency of the price, before an interruption and after it; the rest stays pending",
  },
  "per-row": { type: "boolean", default: false, about: "sends one request per row; only for comparison" },
  json: JSON_OPTION,
} as const satisfies Options;

export const backfill: Command = {
  usage: invocation(
    "backfill",
    "[--source NAME] [--all | --fresh] [--dry-run [--sample 50]] [--by TIME] [--spend MONEY] [--batch | --no-batch | --per-row] [--json]",
  ),
  summary:
    "embed every row that has no current vector; --dry-run sends nothing and estimates what it would take",
  options: OPTIONS,
  examples: [
    [invocation("backfill", "--dry-run"), "what it would take; no text is sent"],
    [
      invocation("backfill", "--batch"),
      "by the provider's batch API; stopped by Ctrl-C, the batches go on, and a listener or this command writes them",
    ],
    [
      invocation("backfill", '--source tickets --by "Mon 08:00" --spend 20'),
      "one source, within that time and money; run it again after an interruption, and it continues",
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
    refuseTogether(backfill, values, ["batch", "no-batch", "per-row"]);
    for (const unheeded of ["all", "dry-run"] as const)
      refuseTogether(backfill, values, ["per-row", unheeded]);
    const wanted = wantedLimits(values, new Date());
    if (wanted !== undefined && values["per-row"])
      throw new UsageError("--by and --spend do not limit single requests.", "Leave out --per-row.");
    const asked = values.batch ? true : values["no-batch"] ? false : undefined;
    const progress = showProgress(json ? "none" : undefined);
    return await withDatabase(async (db, config) => {
      const { sources, chunked, broken } = await choose(db, values.source);
      const exitCode = reportLeftOut(broken);
      if (values["dry-run"]) {
        if (sample !== null && config.EMBED_CACHE_DAYS === 0)
          throw new UsageError(
            "--sample keeps its vectors in the cache for the backfill, and EMBED_CACHE_DAYS=0 keeps none: they would be paid for twice.",
            "Set EMBED_CACHE_DAYS to 1 or more, also for the listeners, until the backfill has ended; or leave out --sample.",
          );
        const wished = sample === null ? sources : notPaused(sources);
        const estimated = await forEachSource(wished, { signal }, (source) =>
          dryRun(db, config, source, {
            chunked: chunked.find(({ embeddedBy }) => embeddedBy === source.id),
            sample,
            all,
            signal,
          }),
        );
        const reports = estimated.results;
        const plan =
          wanted === undefined
            ? undefined
            : (await planLimits(db, config, { sources, chunked }, wanted, { all, asked, signal })).plan;
        if (json) console.log(JSON.stringify(plan === undefined ? reports : { reports, plan }));
        else printParts([...reports.map(describeDryRun), ...describePlans(plan)]);
        return exitCode || estimated.exitCode;
      }
      if (values["per-row"]) {
        const count = { rows: 0, left: 0 };
        const embedded = await forEachSource(notPaused(sources), { signal }, async (source) => {
          await respellKeys(db, source, signal);
          await backfillPerRow(db, config, source, { progress, count, signal });
        });
        console.log(json ? JSON.stringify(count) : describePerRow(count));
        return signal.aborted || count.left > 0 ? 1 : exitCode || embedded.exitCode;
      }
      const onProblem = (problem: string): void => {
        console.error(problem);
      };
      const active = notPaused(sources);
      if (values.batch) await refuseWithoutBatches(config, active);
      // A plan finds by their keys what is current.
      if (wanted !== undefined) for (const source of active) await respellKeys(db, source, signal);
      const planned =
        wanted === undefined
          ? undefined
          : await planLimits(db, config, { sources: active, chunked }, wanted, { all, asked, signal });
      if (planned !== undefined && !json) console.error(describeBackfillPlan(planned.plan));
      const batch = planned === undefined ? values.batch : planned.plan.goes_by === "batches";
      if (batch) {
        await refuseBesideOtherVersions(db, " Or go by requests: --no-batch.");
        for (const { name } of chunked)
          console.error(
            `${name} is cut into chunks: what is not cut yet is embedded by requests, at the full price.`,
          );
      }
      if (fresh) await stopLending(db, active);
      const report = await runBackfill(config, active, {
        chunked: chunked.filter((chunkedSource) => !chunkedSource.paused),
        all,
        batch,
        limits: planned?.limits,
        lanes: planned && new Map([[planned.plan.source, planned.plan.lanes]]),
        progress,
        onProblem,
        onBatches: (report) => {
          console.error(report);
        },
        onPaused: (names) => {
          const remedy = invocation("resume", names.slice(0, 1));
          console.error(`${names.join(", ")} is paused, so its pending rows wait. To continue: ${remedy}`);
        },
        signal,
      });
      if (json)
        console.log(
          JSON.stringify({
            ...report,
            ...(planned === undefined ? {} : { plan: planned.plan }),
            leftOut: broken.map(({ name, problem }) => ({ name, problem })),
          }),
        );
      else console.log(describeBackfill(report, "backfill"));
      return report.pending > 0 || report.failed > 0 ? 1 : exitCode;
    }, signal);
  },
};

function describePerRow({ rows, left }: PerRowCount): string {
  const embedded = `${rows} rows embedded, one at a time.`;
  return left === 0
    ? embedded
    : `${embedded} ${left} more have no vector: they have changed meanwhile, are too long, are refused, or were not reached. A backfill without --per-row embeds them, or says why not.`;
}

function describePlans(plan: BackfillPlan | undefined): string[] {
  return plan === undefined ? [] : [describeBackfillPlan(plan)];
}

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
