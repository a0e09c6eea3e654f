import { setTimeout as delay } from "node:timers/promises";
import { databaseFault, describeDatabaseError, isOutage, isUnanswered } from "../database/database-fault.ts";
import { cacheVectors } from "../queue/cache-unwritten.ts";
import { writeBack, type WriteBack } from "../queue/write-back.ts";
import { isKeyFault } from "../sources/readable-keys.ts";
import { failRejectedWrites } from "./fail-rejected-writes.ts";
import type { SourceContext } from "./source-context.ts";
import { ticketsOf, type UniqueText } from "./unique-text.ts";
import { writeCachedWithBisection } from "./write-cached-vectors.ts";

export interface EmbeddedPart extends Pick<WriteBack, "rows" | "vectors"> {
  readonly texts: readonly UniqueText[];
}

type WriteOutcome = "written" | "released" | "held";

/** Whether a write that failed so is to be repeated, its vectors held meanwhile. */
type IsHeld = (error: unknown) => boolean;

/** Neither the table nor the cache takes the vectors, and not because the database is away. */
class NotKept extends Error {
  override readonly name = "NotKept";
}

/** How long rows are left alone when the database did not take their vectors. */
const REFUSED_DELAY_MS = 1_000;
/** How long vectors that the database cannot take now are held before they are written again; doubled each time. */
const FIRST_HOLD_MS = 250;
const LONGEST_HOLD_MS = 5_000;
const HELD = ": vectors are held until it takes them";

/**
 * Writes the vectors of texts to their rows; what no row takes now goes into the cache. While the database is away they are
 * held: they are paid for. Never throws: rows whose vectors are in the cache alone are released.
 * @returns what became of them: `held` where neither takes them, so that the rows are still claimed
 */
export async function writeVectors(
  context: SourceContext,
  { texts, vectors, rows }: EmbeddedPart,
): Promise<WriteOutcome> {
  const { events, claims, lending, loop, source, pgvector, unkept, writeSize } = context;
  const tickets = ticketsOf(texts);
  const batch: WriteBack = {
    rows,
    hashes: texts.map((text) => text.hash),
    vectors,
    ledgerModel: lending.model,
    pgvector,
  };
  try {
    const { written, writeMs } = await persistently(context, (isHeld) => write(context, batch, isHeld));
    const freshnessMs = claims.held.agesOf(written);
    claims.ended(written);
    writeSize.wrote(written.length, writeMs);
    events.emit("embedded", { source: source.name, rows: written.length, freshnessMs, writeMs });
    await claims.releaseSkipped(tickets);
  } catch (error) {
    const isHeld = error instanceof NotKept && !loop.aborting.aborted;
    const problem = describeDatabaseError(error instanceof NotKept ? error.cause : error);
    if (!isHeld) await claims.release(tickets, problem, REFUSED_DELAY_MS);
    if (!isHeld || unkept.isEmpty)
      events.emit("source_failing", { source: source.name, problem: isHeld ? problem + HELD : problem });
    return isHeld ? "held" : "released";
  }
  return "written";
}

/**
 * Runs a write, in an outage again and again, until the listener must stop. To write twice is safe: queued rows that are
 * done end as released, and a page's rows get the same vector again. A statement that again has no reply is no outage: it may be this table's alone.
 */
async function persistently(
  { events, loop, source }: SourceContext,
  write: (isHeld: IsHeld) => Promise<string[]>,
): Promise<{ readonly written: string[]; readonly writeMs: number }> {
  const signal = loop.aborting;
  let wasUnanswered = false;
  const isHeld: IsHeld = (error) =>
    !(error instanceof NotKept) && isOutage(error) && !(wasUnanswered && isUnanswered(error));
  for (let holdMs = FIRST_HOLD_MS; ; holdMs = Math.min(2 * holdMs, LONGEST_HOLD_MS)) {
    const started = performance.now();
    try {
      const written = await write(isHeld);
      if (holdMs > FIRST_HOLD_MS) events.emit("source_recovered", { source: source.name });
      return { written, writeMs: performance.now() - started };
    } catch (error) {
      if (!isHeld(error) || signal.aborted) throw error;
      wasUnanswered = isUnanswered(error);
      if (holdMs === FIRST_HOLD_MS) {
        events.emit("source_failing", { source: source.name, problem: describeDatabaseError(error) + HELD });
      }
      // At the deadline it is written once more.
      await delay(holdMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
    }
  }
}

/** @throws an outage; another fault of the server, if the vectors are cached; NotKept, if they are neither written nor cached. */
async function write(context: SourceContext, batch: WriteBack, isHeld: IsHeld): Promise<string[]> {
  const { batches, db, claims, source } = context;
  try {
    return await failRejectedWrites(claims, await writeBack(batches, source, batch));
  } catch (error) {
    if (isHeld(error)) throw error;
    // A server that still answers (a statement timeout, a lock) may fail in the same way again.
    await cacheVectors(db, source, batch).catch((failure: unknown) => {
      // A key that its type no longer accepts will never be taken: its row is read again.
      if (isHeld(failure) || isKeyFault(failure)) throw failure;
      throw new NotKept("neither written nor cached", {
        cause: databaseFault(error) === "server" ? error : failure,
      });
    });
    if (databaseFault(error) === "server") throw error;
    return await writeCachedWithBisection(
      context,
      batch.rows.map(({ ticket }) => ticket),
    );
  }
}
