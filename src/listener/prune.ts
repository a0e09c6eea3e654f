import type { Database } from "../database/connect.ts";
import { pruneQuestions } from "../ledger/questions.ts";
import { pruneCache } from "../queue/prune-cache.ts";
import { repeat } from "../timing/repeat.ts";

const PRUNE_MS = 600_000;

/** Removes, now and every ten minutes, what was kept for long enough: cached vectors and questions. @returns how to stop it. */
export function keepPruning(db: Database, cacheDays: number): () => void {
  const prune = (): Promise<unknown> => Promise.allSettled([pruneCache(db, cacheDays), pruneQuestions(db)]);
  void prune();
  return repeat(PRUNE_MS, prune);
}
