import { databaseFault, describeDatabaseError } from "../database/database-fault.ts";
import type { ClaimedRow } from "../queue/claim-state.ts";
import { forgetOverwritten } from "../ledger/forget-overwritten.ts";
import { writeCached } from "../queue/write-cached.ts";
import { withReadableKeys } from "../sources/readable-keys.ts";
import { failRejectedWrites } from "./fail-rejected-writes.ts";
import type { SourceContext } from "./source-context.ts";

/** Waits until the writes may start, not for them to end: the next claim is made in the meantime. */
export async function startWritingCached(context: SourceContext, rows: readonly ClaimedRow[]): Promise<void> {
  for (const part of context.writeSize.cut(rows)) {
    await context.writes.start(async () => {
      try {
        await writeCachedVectors(context, part);
      } catch (error) {
        context.loop.failed(error);
      }
    });
  }
}

/** Gives claimed rows the vectors that their texts have already; rows whose text has none any more are released. */
export async function writeCachedVectors(context: SourceContext, rows: readonly ClaimedRow[]): Promise<void> {
  await context.loop.releasingOnError(
    rows.map((row) => row.ticket),
    async () => {
      for (const part of context.writeSize.cut(rows)) await writePart(context, part);
    },
  );
}

async function writePart(context: SourceContext, rows: readonly ClaimedRow[]): Promise<void> {
  const { events, claims, source, writeSize } = context;
  const tickets = rows.map((row) => row.ticket);
  const started = performance.now();
  const written = await writeCachedWithBisection(context, tickets);
  const writeMs = performance.now() - started;
  writeSize.wrote(written.length, writeMs);
  const freshnessMs = claims.held.agesOf(written);
  claims.ended(written);
  if (written.length > 0)
    events.emit("cached", { source: source.name, rows: written.length, freshnessMs, writeMs });
  const left = rows.flatMap(({ ticket, text_hash }) =>
    text_hash === null || written.includes(ticket) ? [] : [text_hash],
  );
  if (left.length > 0) await forgetOverwritten(context.db, context.lending, [...new Set(left)]);
  await claims.releaseSkipped(tickets);
}

/**
 * Where a constraint or a user trigger refuses one row, halves the rows until that one is alone and fails; the others
 * get their vectors.
 * @returns the tickets that are written.
 */
export async function writeCachedWithBisection(
  context: SourceContext,
  tickets: readonly string[],
): Promise<string[]> {
  const { batches, claims, db, lending, source } = context;
  try {
    const rows = tickets.map((ticket) => claims.held.rowOf(ticket));
    const outcomes = await withReadableKeys(db, lending.sources(), () =>
      writeCached(batches, source, { rows, lending }),
    );
    return await failRejectedWrites(claims, outcomes);
  } catch (error) {
    if (databaseFault(error) !== "row") throw error;
    if (tickets.length === 1) {
      const reason = `${describeDatabaseError(error)} when the vector was written`;
      await claims.fail(tickets, { kind: "database", reason });
      return [];
    }
    const middle = Math.ceil(tickets.length / 2);
    return [
      ...(await writeCachedWithBisection(context, tickets.slice(0, middle))),
      ...(await writeCachedWithBisection(context, tickets.slice(middle))),
    ];
  }
}
