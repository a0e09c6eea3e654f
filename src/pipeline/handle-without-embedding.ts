import { groupBy } from "./group-by.ts";
import type { ClaimedRow } from "../queue/claim-state.ts";
import { LOCKED_DELAY_MS } from "../queue/claims.ts";
import { clearVector } from "../queue/clear-vector.ts";
import { dropDeleted } from "../queue/drop-deleted.ts";
import type { RequestBatch } from "./request-batch.ts";
import type { SourceContext } from "./source-context.ts";
import { unreadableText } from "./unreadable-text.ts";
import { writeWithBisection } from "./write-with-bisection.ts";

/*
 * Handlers of claimed rows that are not sent to the provider now. Those that run a statement over user rows release
 * what it skipped, and everything when it fails.
 */

/** A row whose text is being embedded elsewhere is looked at again no later than this. */
const LONGEST_IN_PROGRESS_MS = 2_000;

/** Rows of no text lose their vectors; one whose table refuses that fails. */
export async function clearVectors(context: SourceContext, rows: readonly ClaimedRow[]): Promise<void> {
  const { claims, db, source } = context;
  await withoutText(context, rows, (tickets) =>
    writeWithBisection(claims, tickets, "when the vector was removed", (held) =>
      clearVector(db, source, held),
    ),
  );
}

/** Deleted rows leave the queue. */
export async function dropDeletedRows(context: SourceContext, rows: readonly ClaimedRow[]): Promise<void> {
  const { claims, db, source } = context;
  await withoutText(context, rows, (tickets) =>
    dropDeleted(
      db,
      source,
      tickets.map((ticket) => claims.held.rowOf(ticket)),
    ),
  );
}

/** @param statement ends some of the rows. @returns their tickets. */
async function withoutText(
  { events, claims, loop, source }: SourceContext,
  rows: readonly ClaimedRow[],
  statement: (tickets: readonly string[]) => Promise<string[]>,
): Promise<void> {
  const tickets = ticketsOfRows(rows);
  await loop.releasingOnError(tickets, async () => {
    const written = await statement(tickets);
    claims.ended(written);
    events.emit("emptied", { source: source.name, rows: written.length });
    await claims.releaseSkipped(tickets);
  });
}

/**
 * Releases rows whose text another process is embedding, or another source of this one: later they are cache hits. The
 * longer that takes, the longer they are left alone.
 */
export async function releaseInProgress(
  { claims }: SourceContext,
  rows: readonly ClaimedRow[],
): Promise<void> {
  const longest = Math.max(...rows.map((row) => row.in_progress_ms ?? 0));
  const delayMs = Math.min(Math.max(longest, LOCKED_DELAY_MS), LONGEST_IN_PROGRESS_MS);
  await claims.release(ticketsOfRows(rows), "its text is being embedded elsewhere", delayMs);
}

/** Rows of a page that a user holds are left to its next reading. */
export async function releaseLocked({ claims }: SourceContext, rows: readonly ClaimedRow[]): Promise<void> {
  await claims.releaseSkipped(ticketsOfRows(rows));
}

export async function failUnreadable({ claims }: SourceContext, rows: readonly ClaimedRow[]): Promise<void> {
  for (const [fault, failing] of groupBy(rows, (row) => row.fault)) {
    await claims.fail(ticketsOfRows(failing), {
      kind: "database",
      reason: unreadableText(fault ?? "unknown"),
    });
  }
}

/** Rows whose text is longer than the model takes fail; or their texts, which the claim has cut, are embedded so. */
export async function failOrTruncateTooLong(
  { events, claims, provider, settings, source }: SourceContext,
  rows: readonly ClaimedRow[],
  batch: RequestBatch,
): Promise<void> {
  if (settings.onTooLong === "truncate") {
    events.emit("truncated", { source: source.name, rows: rows.length });
    batch.add(rows);
    return;
  }
  const reason = `the text is longer than ${provider.limits.textCharacters} characters: shorten it, or set EMBED_ON_TOO_LONG=truncate`;
  await claims.fail(ticketsOfRows(rows), { kind: "too_long", reason });
}

function ticketsOfRows(rows: readonly ClaimedRow[]): string[] {
  return rows.map((row) => row.ticket);
}
