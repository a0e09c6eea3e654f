import { setTimeout as delay } from "node:timers/promises";
import type { Database } from "../database/connect.ts";
import { wakeListeners } from "../database/wake-listeners.ts";
import { beginBackfill, type BackfillOptions } from "../pages/backfills.ts";
import { hasAtMostPending } from "../queue/counts.ts";
import { respellKeys } from "../sources/respell-keys.ts";
import { uncacheDeleted, unrecordDeleted } from "../ledger/forget-deleted.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import { withReadableKeys } from "../sources/readable-keys.ts";
import type { Source } from "../sources/source.ts";
import { queueStaleChunkedRows } from "./queue-stale-chunked-rows.ts";

/** Texts to cut are queued a page at a time, and so that no more than this are waiting, nor their chunks. */
const MOST_WAITING = 4_000;
const LOOK_MS = 200;

/**
 * Has the listeners embed the rows that have no current vector, and removes what is left of deleted rows: that reads the
 * whole ledger of the source, for which embedding does not wait.
 */
export async function beginEmbedding(db: Database, source: Source, options: BackfillOptions): Promise<void> {
  // Where this fails, the source's listener says so, and tries again; until then no key is taken for that of a deleted row.
  const areRespelled = await respellKeys(db, source).then(
    () => true,
    () => false,
  );
  await beginBackfill(db, source, options);
  if (!areRespelled) return;
  await withReadableKeys(db, [source], () => unrecordDeleted(db, source));
  await withReadableKeys(db, [source], () => uncacheDeleted(db, source));
}

/** Queues the texts whose chunks do not match them, as they and their chunks are worked off. */
export async function queueTextsToCut(
  db: Database,
  chunkedSource: ChunkedSource,
  isAll: boolean,
  signal: AbortSignal,
  onQueued: (rows: number) => void,
): Promise<void> {
  const waiting = [chunkedSource, { id: chunkedSource.embeddedBy }];
  for await (const rows of queueStaleChunkedRows(db, chunkedSource, isAll, signal)) {
    onQueued(rows);
    if (rows > 0) await wakeListeners(db, chunkedSource.id);
    for (const source of waiting) {
      while (!signal.aborted && !(await hasAtMostPending(db, source, MOST_WAITING)))
        await delay(LOOK_MS, undefined, { signal }).catch(() => undefined);
    }
    if (signal.aborted) return;
  }
}
