import type { ChaosOptions } from "./options.ts";
import type { Tally } from "./tally.ts";
import type { Verdict } from "./verify.ts";
import type { WriterTallies } from "./writer.ts";

export interface Report {
  readonly options: ChaosOptions;
  readonly seconds: number;
  readonly users: WriterTallies;
  readonly faults: Tally;
  /** The checks during the faults. */
  readonly looks: { snapshots: number; lost: number; wrong: number; mostConnections: number };
  readonly failedRows: number;
  readonly quietMs: number;
  readonly verdict: Verdict;
  /** Exit codes of the last listeners, which were asked to stop when all was well. */
  readonly goodbyes: readonly string[];
  /** Left at the end: queue rows, claimed queue rows, and registered listeners. */
  readonly left: { readonly queued: number; readonly owned: number; readonly listed: number };
  readonly exits: Tally;
  readonly crashes: readonly string[];
  readonly mostMegabytes: number;
  readonly requests: number;
  readonly texts: number;
}

/**
 * Whether no row was lost or wrong, no user's statement failed because of us, no listener crashed and nothing was left
 * behind; and whether enough happened to prove that.
 */
export function isClean(report: Report): boolean {
  const { verdict, looks, users, crashes, goodbyes, left } = report;
  const bad =
    verdict.lost +
    verdict.wrong +
    verdict.unrecorded +
    verdict.left +
    verdict.pending +
    looks.lost +
    looks.wrong +
    users.failed.total +
    crashes.length +
    left.queued +
    left.owned;
  return (
    bad === 0 &&
    missingEvents(report).length === 0 &&
    goodbyes.every((code) => code === "0" || code.startsWith("was "))
  );
}

/** The events that did not happen, without which a run proves nothing. */
function missingEvents({ verdict, looks, users, faults, texts }: Report): string[] {
  const happened = {
    "a user's statement": users.operations.total,
    "a row": verdict.rows,
    "a text sent": texts,
    "a fault": faults.total,
    "a snapshot while broken": looks.snapshots,
  };
  return Object.entries(happened).flatMap(([what, times]) => (times === 0 ? [what] : []));
}

export function describeReport(report: Report): string {
  const { options, users, faults, looks, verdict, left } = report;
  const waits = users.waits.sort((a, b) => a - b);
  const wait = (part: number) => (waits[Math.floor(part * (waits.length - 1))] ?? 0).toFixed(1);
  return [
    `chaos: seed ${options.seed}, ${report.seconds.toFixed(0)} s, ${options.writers} writers, ${options.listeners} listeners`,
    `operations   ${users.operations.total} (${users.operations.toString()})`,
    `faults       ${faults.toString()}${options.restartCommand === undefined ? " (CHAOS_RESTART_COMMAND is not set: no server restarts)" : ""}`,
    `users        ${users.failed.total} failed because of us (${users.failed.toString()}); connections cut by the chaos: ${users.cut.toString()}; serialization retries: ${users.retried.toString()}`,
    `user waits   median ${wait(0.5)} ms, 99 % ${wait(0.99)} ms, longest ${wait(1)} ms per statement, faults included`,
    `listeners    ended ${report.exits.toString()}; crashed ${report.crashes.length}; asked to stop at the end: exit ${report.goodbyes.join(", ")}`,
    `resources    largest listener ${report.mostMegabytes} MB; most connections of all listeners ${looks.mostConnections}`,
    `provider     ${report.requests} requests, ${report.texts} texts; rows that failed for its answers and were retried: ${report.failedRows}`,
    `while broken ${looks.snapshots} snapshots: ${looks.lost} lost, ${looks.wrong} wrong among rows that were not pending`,
    `quiet        ${left.queued === 0 ? "queue empty after" : `${left.queued} rows still queued after`} ${(report.quietMs / 1000).toFixed(1)} s; ${left.owned} claims and ${left.listed} listeners left behind`,
    `rows         ${verdict.rows}: ${verdict.lost} lost, ${verdict.wrong} wrong, ${verdict.pending} still pending; ledger: ${verdict.unrecorded} wrong or missing, ${verdict.left} entries of deleted rows`,
    ...missingEvents(report).map((what) => `nothing proved: not ${what}`),
    ...report.crashes.map((lines) => `crash:\n${lines}`),
    isClean(report) ? "PASSED" : "FAILED",
  ].join("\n");
}
