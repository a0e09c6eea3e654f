import type { Database } from "../database/connect.ts";
import { pruneQuestions } from "../ledger/questions.ts";
import { pruneCache } from "../queue/prune-cache.ts";
import { uncacheDeleted } from "../queue/forget-deleted.ts";
import { loadSources } from "../sources/load-sources.ts";
import { repeat } from "../timing/repeat.ts";

const PRUNE_MS = 600_000;

/**
 * Removes, now and every ten minutes, what was kept for long enough: cached vectors, those of deleted rows, and
 * questions. @returns how to stop it.
 */
export function keepPruning(db: Database, cacheDays: number): () => void {
  const prune = (): Promise<unknown> =>
    Promise.allSettled([pruneCache(db, cacheDays), uncacheAllDeleted(db), pruneQuestions(db)]);
  void prune();
  return repeat(PRUNE_MS, prune);
}

async function uncacheAllDeleted(db: Database): Promise<void> {
  const { usable, chunked } = await loadSources(db);
  for (const source of [...usable, ...chunked]) await uncacheDeleted(db, source).catch(() => undefined);
}
