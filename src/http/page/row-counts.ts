import { sql } from "kysely";
import type { Database } from "../../database/connect.ts";
import type { Source } from "../../sources/source.ts";
import { countRows } from "../../status/count-rows.ts";
import type { CountedRows } from "../../status/source-status.ts";
import { Cached } from "../cached.ts";

const FRESH_MS = 1_500;
/** A longer count continues in the background, and the page shows the previous count. */
const WAIT_MS = 700;

/**
 * Each source's rows, current and stale, counted in the background: a count reads the whole table, and the page must
 * not wait. However often the page is refreshed, `Cached` waits ten times as long as a count took: a million rows took
 * 5 to 9 s on two busy cores, and were counted once a minute.
 */
export class RowCounts {
  readonly #db: Database;
  readonly #ownSessions: boolean;
  readonly #counts = new Map<
    string,
    { readonly cached: Cached<CountedRows>; last: CountedRows | undefined }
  >();

  /** The backend of the session that is counting now. */
  #pid: number | undefined;
  #stopped = false;

  /**
   * @param db a pool of one connection, so that only one count runs at a time.
   * @param ownSessions false behind a pooler that may give a session to another client between two statements.
   */
  constructor(db: Database, ownSessions: boolean) {
    this.#db = db;
    this.#ownSessions = ownSessions;
  }

  /** Cancels the running count, which could still take long. */
  async cancel(db: Database): Promise<void> {
    this.#stopped = true;
    if (this.#pid === undefined) return;
    await sql`select pg_cancel_backend(${this.#pid}::int)`.execute(db).catch(() => undefined);
  }

  async #count(source: Source): Promise<CountedRows> {
    return await this.#db.connection().execute(async (session) => {
      if (this.#ownSessions) {
        const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(session);
        this.#pid = rows[0]?.pid;
      }
      if (this.#stopped) throw new Error("the page is being closed");
      return await countRows(session, source).finally(() => (this.#pid = undefined));
    });
  }

  /** The newest finished count; undefined if there is none. */
  async of(source: Source): Promise<CountedRows | undefined> {
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
    const late = new Promise<CountedRows | undefined>((resolve) => {
      setTimeout(() => {
        resolve(entry.last);
      }, WAIT_MS).unref();
    });
    return await Promise.race([counting, late]);
  }
}
