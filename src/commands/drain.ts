import { showProgress } from "../backfill/progress.ts";
import { runBackfill, type BackfillReport } from "../backfill/run-backfill.ts";
import type { Database } from "../database/connect.ts";
import { invocation } from "../invocation.ts";
import { Deadline } from "../timing/deadline.ts";
import { isDrained } from "../queue/counts.ts";
import { noneUsable } from "../sources/choose-sources.ts";
import { loadSources } from "../sources/load-sources.ts";
import { missingGrants } from "../sources/missing-grants.ts";
import type { BrokenSource, Source } from "../sources/source.ts";
import { JSON_OPTION, parseCommand, wholeNumber, type Command, type Options } from "./command.ts";
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
  json: JSON_OPTION,
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
    const progress = showProgress(values.json ? "none" : undefined);
    return await withDatabase(async (db, config) => {
      const { usable, chunked, broken } = await loadSources(db);
      if (usable.length === 0 && chunked.length === 0) throw noneUsable(broken);
      const forbidden = await withoutRights(db, [...chunked, ...usable]);
      const left = [...broken, ...forbidden];
      const isAtWork = ({ paused, id }: Source): boolean =>
        !paused && left.every((source) => source.id !== id);
      const atWork = [...chunked, ...usable].filter(isAtWork);
      const isLeft = !(await isDrained(
        db,
        atWork.map(({ id }) => id),
      ));
      for (const { name, problem } of isLeft ? left : broken) console.error(`${name}: ${problem}`);
      const isAmiss = isLeft || broken.some(({ missesChanges }) => missesChanges === true);
      // Most runs of a scheduler find nothing: they start no listener, load no model and ask no provider.
      const except = left.map(({ id }) => id);
      if (await isDrained(db, except)) {
        const nothing = isLeft ? "Nothing is pending that can be embedded." : "Nothing is pending.";
        console.log(values.json ? JSON.stringify(NOTHING) : nothing);
        return isAmiss ? 1 : 0;
      }
      const report = await runBackfill(config, usable.filter(isAtWork), {
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
      return report.pending > 0 || report.failed > 0 || isAmiss ? 1 : 0;
    }, signal);
  },
};

/** Those that this role may not embed: they would be waited for in vain. */
async function withoutRights(db: Database, sources: readonly Source[]): Promise<BrokenSource[]> {
  const forbidden: BrokenSource[] = [];
  for (const source of sources) {
    const missing = await missingGrants(db, source);
    if (missing !== null)
      forbidden.push({
        id: source.id,
        name: source.name,
        problem: `the role ${missing.role} lacks rights: ${missing.grants}`,
      });
  }
  return forbidden;
}
