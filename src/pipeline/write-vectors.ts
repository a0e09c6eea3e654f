import { databaseFault, describeDatabaseError, mayBeCommitted } from "../database/database-fault.ts";
import type { VectorArray } from "../database/vector-array.ts";
import { cacheVectors } from "../queue/cache-vectors.ts";
import { writeBack, type WriteBack } from "../queue/write-back.ts";
import { giveBack, giveBackLocked } from "./give-back.ts";
import { giveUpUndone } from "./give-up-undone.ts";
import { ticketsOf, type UniqueText } from "./unique-text.ts";
import { settleIsolating } from "./settle-isolating.ts";
import type { SourceContext } from "./source-context.ts";

/** How long rows wait when the database did not take their vectors. */
const REFUSED_DELAY_MS = 1_000;

/** Writes back the vectors of pieces. Never throws: what the database does not take goes back to pending. */
export async function writeVectors(
  work: SourceContext,
  pieces: readonly UniqueText[],
  vectors: VectorArray,
): Promise<void> {
  const tickets = ticketsOf(pieces);
  const batch: WriteBack = {
    tickets,
    places: work.claims.places(tickets),
    positions: pieces.flatMap((piece, position) => piece.tickets.map(() => position)),
    hashes: pieces.map((piece) => piece.hash),
    vectors,
    cacheModel: work.cacheModel,
    pgvector: work.pgvector,
  };
  const started = performance.now();
  try {
    const done = await write(work, batch);
    const freshnessMs = work.claims.ages(done);
    work.claims.done(done);
    const writeMs = performance.now() - started;
    work.writeSize.wrote(done.length, writeMs);
    work.events.emit("embedded", { source: work.source.name, rows: done.length, freshnessMs, writeMs });
    await giveBackLocked(work, tickets);
  } catch (error) {
    const problem = describeDatabaseError(error);
    await giveBack(work, tickets, problem, REFUSED_DELAY_MS);
    work.events.emit("troubled", { source: work.source.name, problem });
  }
}

async function write(work: SourceContext, batch: WriteBack): Promise<string[]> {
  try {
    return await giveUpUndone(work, await writeBack(work.batches, work.source, batch));
  } catch (error) {
    const isServers = databaseFault(error) === "server";
    // A server that still answers (a statement timeout, a lock) may answer so again: what was paid for is kept.
    if (isServers && !mayBeCommitted(error)) await cacheVectors(work.db, batch).catch(() => undefined);
    if (isServers) throw error;
    await cacheVectors(work.db, batch);
    return await settleIsolating(work, batch.tickets);
  }
}
