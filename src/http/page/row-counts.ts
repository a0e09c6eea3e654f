import type { Database } from "../../database/connect.ts";
import type { Source } from "../../sources/source.ts";
import { countRows } from "../../status/collect-status.ts";
import { Cached } from "../cached.ts";

export interface RowCount {
  readonly rows: number;
  readonly current: number;
}

const FRESH_MS = 1_500;
/** A count that takes longer than this goes on by itself; the page shows the one before meanwhile. */
const PATIENCE_MS = 700;

/** How many rows each source has, counted in the background: that reads the whole table, and a page must not wait for it. */
export class RowCounts {
  readonly #db: Database;
  readonly #counts = new Map<string, { readonly cached: Cached<RowCount>; last: RowCount | undefined }>();

  constructor(db: Database) {
    this.#db = db;
  }

  /** The newest count there is; undefined while there is none. */
  async of(source: Source): Promise<RowCount | undefined> {
    const id = JSON.stringify(source);
    const entry = this.#counts.get(id) ?? {
      cached: new Cached(FRESH_MS, () => countRows(this.#db, source)),
      last: undefined,
    };
    this.#counts.set(id, entry);
    const counting = entry.cached.get().then(
      (count) => (entry.last = count),
      () => entry.last,
    );
    const late = new Promise<RowCount | undefined>((resolve) => {
      setTimeout(() => {
        resolve(entry.last);
      }, PATIENCE_MS).unref();
    });
    return await Promise.race([counting, late]);
  }
}
