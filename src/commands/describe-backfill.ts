import type { BackfillReport } from "../backfill/run-backfill.ts";
import { invocation, type CommandName } from "../invocation.ts";
import { formatDuration } from "../timing/format-duration.ts";

/** @param command the one that goes on where this ended */
export function describeBackfill(
  { sources, done, chunks, cached, failed, pending, tokens, seconds, isSpent }: BackfillReport,
  command: CommandName,
): string {
  const speed = Math.round(done / seconds);
  const again = invocation("backfill", ["--source", sources[0] ?? ""]);
  const left = isSpent
    ? ` The money of --spend is spent: ${pending} rows stay pending in the backfill. To continue: ${again} --spend MONEY, or without --spend.`
    : pending > 0
      ? ` ${pending} rows are still pending. To continue: ${invocation(command)}.`
      : "";
  const failures = failed > 0 ? ` ${failed} rows failed: see ${invocation("failed")}.` : "";
  const known =
    chunks > 0 ? `${chunks} chunks, ${cached} vectors of known texts` : `${cached} of them with known texts`;
  return `${done} rows done in ${formatDuration(seconds)} (${speed} rows/s), ${known}, ${tokens} tokens.${left}${failures}`;
}
