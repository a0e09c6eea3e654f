import type { ClaimedRow, ClaimState } from "../queue/claim.ts";
import { settleIsolating } from "./settle-isolating.ts";
import { clearVector } from "../queue/clear-vector.ts";
import { dropDeleted } from "../queue/drop-deleted.ts";
import { giveBackLocked } from "./give-back.ts";
import { giveUpUndone } from "./give-up-undone.ts";
import { groupByText, type UniqueText } from "./unique-text.ts";
import type { SourceContext } from "./source-context.ts";

/** Settles claimed rows that need no vector, and gives up those that can have none. @returns the texts to embed, equal ones together. */
export async function lookUp(work: SourceContext, rows: readonly ClaimedRow[]): Promise<UniqueText[]> {
  await Promise.all([
    settleEmpty(work, "deleted", ticketsIn(rows, "deleted")),
    settleEmpty(work, "blank", ticketsIn(rows, "blank")),
    giveUpUnreadable(work, rows),
  ]);
  return groupByText(await withinLimit(work, rows));
}

/** Gives claimed rows the cached vectors of their texts; where the cache has none any more, they go back to pending. */
export async function applyCached(work: SourceContext, rows: readonly ClaimedRow[]): Promise<void> {
  const tickets = rows.map((row) => row.ticket);
  const started = performance.now();
  const done = await settleIsolating(work, tickets);
  const writeMs = performance.now() - started;
  work.writeSize.wrote(done.length, writeMs);
  const freshnessMs = work.claims.ages(done);
  work.claims.done(done);
  if (done.length > 0) {
    work.events.emit("cached", { source: work.source.name, rows: done.length, freshnessMs, writeMs });
  }
  await giveBackLocked(work, tickets);
}

async function settleEmpty(
  work: SourceContext,
  state: "deleted" | "blank",
  tickets: readonly string[],
): Promise<void> {
  if (tickets.length === 0) return;
  const settle = state === "deleted" ? dropDeleted : clearVector;
  const done = await giveUpUndone(work, await settle(work.db, work.source, tickets));
  work.claims.done(done);
  work.events.emit("emptied", { source: work.source.name, rows: done.length });
  await giveBackLocked(work, tickets);
}

async function giveUpUnreadable(work: SourceContext, rows: readonly ClaimedRow[]): Promise<void> {
  const unreadable = rows.filter((row) => row.state === "unreadable");
  for (const fault of new Set(unreadable.map((row) => row.fault))) {
    const tickets = unreadable.filter((row) => row.fault === fault).map((row) => row.ticket);
    const reason = `the text expression raises SQLSTATE ${fault ?? "unknown"} for this row: change the row, or the expression`;
    const failed = await work.claims.fail(tickets, reason);
    work.events.emit("failed", { source: work.source.name, rows: failed, kind: "database", reason });
  }
}

/** The rows to be embedded; those that are too long are given up, or were cut already when they were claimed. */
async function withinLimit(work: SourceContext, rows: readonly ClaimedRow[]): Promise<ClaimedRow[]> {
  const texts = rows.filter((row) => row.state === "new");
  const tooLong = texts.filter((row) => row.too_long).map((row) => row.ticket);
  if (tooLong.length === 0) return texts;
  if (work.settings.onTooLong === "truncate") {
    work.events.emit("truncated", { source: work.source.name, rows: tooLong.length });
    return texts;
  }
  const reason = `the text is longer than ${work.provider.limits.textCharacters} characters: shorten it, or set EMBED_ON_TOO_LONG=truncate`;
  const failed = await work.claims.fail(tooLong, reason);
  work.events.emit("failed", { source: work.source.name, rows: failed, kind: "too_long", reason });
  return texts.filter((row) => !row.too_long);
}

function ticketsIn(rows: readonly ClaimedRow[], state: ClaimState): string[] {
  return rows.filter((row) => row.state === state).map((row) => row.ticket);
}
