import type { ClaimedRow } from "../queue/claim.ts";
import type { SourceContext } from "./source-context.ts";

type GivingBack = Pick<SourceContext, "claims" | "events" | "wakeIn"> & {
  readonly source: Pick<SourceContext["source"], "name">;
};

/** How long a row that a user holds is left alone: long enough not to spin, short enough to follow the user's commit. */
const LOCKED_DELAY_MS = 250;

/** Of tickets that were to be settled, puts back those that were not: somebody holds the row, or its text changed. */
export async function giveBackLocked(work: GivingBack, tickets: readonly string[]): Promise<void> {
  await giveBack(work, tickets, "its row is locked or has changed", LOCKED_DELAY_MS);
}

/** No row whose text is being embedded elsewhere is looked at more seldom. */
const LONGEST_TAKEN_MS = 2_000;

/**
 * Puts back rows whose text another process is embedding, or another source of this one: later they are cache hits. The
 * longer that takes, the longer they are left alone.
 */
export async function giveBackTaken(work: SourceContext, rows: readonly ClaimedRow[]): Promise<void> {
  if (rows.length === 0) return;
  const longest = Math.max(...rows.map((row) => row.in_progress_ms ?? 0));
  const tickets = rows.map((row) => row.ticket);
  const delayMs = Math.min(Math.max(longest, LOCKED_DELAY_MS), LONGEST_TAKEN_MS);
  await giveBack(work, tickets, "its text is being embedded elsewhere", delayMs);
}

/** Puts rows back to pending with no attempt counted, those of them that are still claimed. */
export async function giveBack(
  work: GivingBack,
  tickets: readonly string[],
  reason: string,
  delayMs: number,
): Promise<void> {
  const rows = await work.claims.release(tickets, delayMs);
  if (rows === 0) return;
  work.events.emit("released", { source: work.source.name, rows, reason });
  work.wakeIn(delayMs);
}
