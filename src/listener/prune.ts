import type { Database } from "../database/connect.ts";
import { pruneQuestions } from "../ledger/questions.ts";
import { pruneCache } from "../queue/prune-cache.ts";
import { isAnythingCached, uncacheDeleted } from "../ledger/forget-deleted.ts";
import { loadSources } from "../sources/load-sources.ts";
import { withReadableKeys } from "../sources/readable-keys.ts";

const PRUNE_MS = 600_000;

/** Removes, at once and every ten minutes, what was kept for long enough: cached vectors, those of deleted rows, and questions. */
export class Pruning {
  readonly #db: Database;
  readonly #cacheDays: number;
  #prunedAt = -Infinity;
  #timer: NodeJS.Timeout | undefined;

  constructor(db: Database, cacheDays: number) {
    this.#db = db;
    this.#cacheDays = cacheDays;
  }

  /** Started again, it goes on: ten minutes after the last time. */
  start(): void {
    this.stop();
    const dueIn = Math.max(0, this.#prunedAt + PRUNE_MS - performance.now());
    const timer = setTimeout(() => {
      this.#prunedAt = performance.now();
      void this.#prune().finally(() => {
        if (this.#timer === timer) this.start();
      });
    }, dueIn);
    this.#timer = timer;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #prune(): Promise<unknown> {
    const db = this.#db;
    return Promise.allSettled([pruneCache(db, this.#cacheDays), uncacheAllDeleted(db), pruneQuestions(db)]);
  }
}

async function uncacheAllDeleted(db: Database): Promise<void> {
  if (!(await isAnythingCached(db))) return;
  const { usable, chunked } = await loadSources(db);
  for (const source of [...usable, ...chunked])
    await withReadableKeys(db, [source], () => uncacheDeleted(db, source)).catch(() => undefined);
}
