import { sql } from "kysely";
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
  readonly #ownSessions: boolean;
  readonly #counts = new Map<string, { readonly cached: Cached<RowCount>; last: RowCount | undefined }>();

  /** Of the session that counts now. */
  #pid: number | undefined;
  #stopped = false;

  /**
   * @param db with one connection, so that counts follow each other.
   * @param ownSessions whether no pooler gives a session to others between two statements.
   */
  constructor(db: Database, ownSessions: boolean) {
    this.#db = db;
    this.#ownSessions = ownSessions;
  }

  /** Ends the count that is under way, which may take long yet. */
  async cancel(db: Database): Promise<void> {
    this.#stopped = true;
    if (this.#pid === undefined) return;
    await sql`select pg_cancel_backend(${this.#pid}::int)`.execute(db).catch(() => undefined);
  }

  async #count(source: Source): Promise<RowCount> {
    return await this.#db.connection().execute(async (session) => {
      if (this.#ownSessions) {
        const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(session);
        this.#pid = rows[0]?.pid;
      }
      if (this.#stopped) throw new Error("the page is being closed");
      return await countRows(session, source).finally(() => (this.#pid = undefined));
    });
  }

  /** The newest count there is; undefined while there is none. */
  async of(source: Source): Promise<RowCount | undefined> {
    const id = JSON.stringify(source);
    const entry = this.#counts.get(id) ?? {
      cached: new Cached(FRESH_MS, () => this.#count(source)),
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
