import { showProgress } from "../backfill/progress.ts";
import { runBackfill, type BackfillReport } from "../backfill/run-backfill.ts";
import { invocation } from "../invocation.ts";
import { Deadline } from "../providers/deadline.ts";
import { isDrained } from "../queue/counts.ts";
import { choose } from "../sources/choose-sources.ts";
import type { Source } from "../sources/source.ts";
import { parseCommand, wholeNumber, type Command, type Options } from "./command.ts";
import { describeBackfill } from "./describe-backfill.ts";
import { abortedBySignal } from "./stop-signal.ts";
import { withDatabase } from "./with-database.ts";

const NOTHING: BackfillReport = {
  sources: [],
  done: 0,
  total: 0,
  chunks: 0,
  cached: 0,
  failed: 0,
  tokens: 0,
  pending: 0,
  isSpent: false,
  seconds: 0,
};

/** Two thirds of a day: more than a scheduler waits, and less than a timer of Node's can count. */
const LONGEST_S = 60_000;

const OPTIONS = {
  for: { type: "string", value: "SECONDS", default: "600", about: "ends after that time, whatever is left" },
  json: { type: "boolean", default: false, about: "prints one JSON document, and nothing else on stdout" },
} as const satisfies Options;

export const drain: Command = {
  usage: invocation("drain", "[--for 600] [--json]"),
  summary:
    "embed what is pending now, and end: from a scheduler, for a database that sleeps when nobody is connected",
  options: OPTIONS,
  examples: [
    [invocation("drain"), "every few minutes from cron, in place of a listener"],
    [invocation("drain", "--for 60 --json"), "a minute at most, with the figures as JSON"],
  ],
  async run(args) {
    const { values } = parseCommand(drain, args, { options: OPTIONS });
    const seconds = wholeNumber("--for", values.for, 1, LONGEST_S);
    using deadline = new Deadline(abortedBySignal(), seconds * 1000);
    const { signal } = deadline;
    const progress = showProgress(values.json ? "none" : process.stderr.isTTY ? "bar" : "lines");
    return await withDatabase(async (db, config) => {
      const { sources, chunked } = await choose(db, undefined);
      // Most runs of a scheduler find nothing: they start no listener, load no model and ask no provider.
      if (await isDrained(db)) {
        console.log(values.json ? JSON.stringify(NOTHING) : "Nothing is pending.");
        return 0;
      }
      const report = await runBackfill(config, sources.filter(isAtWork), {
        chunked: chunked.filter(isAtWork),
        all: false,
        pendingOnly: true,
        progress,
        onProblem: (problem) => {
          console.error(problem);
        },
        signal,
      });
      console.log(values.json ? JSON.stringify(report) : describeBackfill(report, "drain"));
      return report.pending > 0 || report.failed > 0 ? 1 : 0;
    }, signal);
  },
};

function isAtWork({ paused }: Source): boolean {
  return !paused;
}
