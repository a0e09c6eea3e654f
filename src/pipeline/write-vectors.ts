import { databaseFault, describeDatabaseError, mayBeCommitted } from "../database/database-fault.ts";
import { cacheVectors } from "../queue/cache-unwritten.ts";
import { writeBack, type WriteBack } from "../queue/write-back.ts";
import { failRejectedWrites } from "./fail-rejected-writes.ts";
import type { SourceContext } from "./source-context.ts";
import { ticketsOf, type UniqueText } from "./unique-text.ts";
import { writeCachedWithBisection } from "./write-cached-vectors.ts";

interface EmbeddedPart extends Pick<WriteBack, "rows" | "vectors"> {
  readonly texts: readonly UniqueText[];
}

/** How long rows are left alone when the database did not take their vectors. */
const REFUSED_DELAY_MS = 1_000;

/** Writes the vectors of texts to their rows; what no row takes now goes into the cache. Never throws: rows that the database refuses are released. */
export async function writeVectors(
  context: SourceContext,
  { texts, vectors, rows }: EmbeddedPart,
): Promise<void> {
  const { events, claims, lending, source, pgvector, writeSize } = context;
  const tickets = ticketsOf(texts);
  const batch: WriteBack = {
    rows,
    hashes: texts.map((text) => text.hash),
    vectors,
    ledgerModel: lending.model,
    pgvector,
  };
  const started = performance.now();
  try {
    const written = await write(context, batch);
    const freshnessMs = claims.held.agesOf(written);
    claims.complete(written);
    const writeMs = performance.now() - started;
    writeSize.wrote(written.length, writeMs);
    events.emit("embedded", { source: source.name, rows: written.length, freshnessMs, writeMs });
    await claims.releaseSkipped(tickets);
  } catch (error) {
    const problem = describeDatabaseError(error);
    await claims.release(tickets, problem, REFUSED_DELAY_MS);
    events.emit("source_failing", { source: source.name, problem });
  }
}

async function write(context: SourceContext, batch: WriteBack): Promise<string[]> {
  const { batches, db, claims, source } = context;
  try {
    return await failRejectedWrites(claims, await writeBack(batches, source, batch));
  } catch (error) {
    const isOfServer = databaseFault(error) === "server";
    // A server that still answers (a statement timeout, a lock) may fail in the same way again: what was paid for is kept.
    if (isOfServer && !mayBeCommitted(error)) await cacheVectors(db, source, batch).catch(() => undefined);
    if (isOfServer) throw error;
    await cacheVectors(db, source, batch);
    return await writeCachedWithBisection(
      context,
      batch.rows.map(({ ticket }) => ticket),
    );
  }
}
