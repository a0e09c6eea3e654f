import type { ClaimedRow } from "../queue/claim-state.ts";
import { forgetOverwritten } from "../ledger/forget-overwritten.ts";
import { writeCached } from "../queue/write-cached.ts";
import { withReadableKeys } from "../sources/readable-keys.ts";
import type { SourceContext } from "./source-context.ts";
import { writeWithBisection } from "./write-with-bisection.ts";

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

/** See `writeWithBisection`. */
export async function writeCachedWithBisection(
  { batches, claims, db, lending, source }: SourceContext,
  tickets: readonly string[],
): Promise<string[]> {
  return await writeWithBisection(claims, tickets, "when the vector was written", (rows) =>
    withReadableKeys(db, lending.sources(), () => writeCached(batches, source, { rows, lending })),
  );
}
