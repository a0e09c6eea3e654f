import type pg from "pg";
import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { explainUnmigrated } from "../database/explain-unmigrated.ts";
import { openPool } from "../database/pools.ts";
import { overPool } from "../database/over-pool.ts";
import { ReadAsJson } from "../database/read-as-json.ts";
import { UsageError } from "../errors.ts";
import { unlessAborted } from "../timing/unless-aborted.ts";
import { withTimeout } from "../timing/with-timeout.ts";
import { checkConnection } from "./check-connection.ts";
import { checkAwaited, checkSearch } from "./check-options.ts";
import { whereOf } from "./filter.ts";
import { openSearcher } from "./open-searcher.ts";
import { rankedRows, type CompiledSearch } from "./ranked-rows.ts";
import type { Question, SearchOptions, SearchResult } from "./search-options.ts";
import { waitUntilCurrent } from "./wait-until-current.ts";

/**
 * Where to search: with the settings alone, over connections of our own; or over the application's own `pool` or Kysely
 * instance `db`, whose sessions stay as they are.
 */
export type SearchConnection =
  | { readonly config: Config & { readonly DATABASE_URL: string } }
  | { readonly config: Config; readonly pool: pg.Pool }
  | { readonly config: Config; readonly db: KyselyInstance };

/** What is needed of a Kysely instance: the types of its CommonJS module, and of another version, are others than ours. */
interface KyselyInstance {
  readonly isTransaction: boolean;
  withoutPlugins(): unknown;
}

/** What `close()` leaves the database, beside the provider, to answer the searches under way. */
const DATABASE_MS = 5_000;

export interface AwaitedRow {
  /** Optional where there is only one. */
  readonly source?: string;
  /** As a search returns it: of several columns, a JSON array of texts. */
  readonly key: string;
  /** By default it waits for as long as it takes. */
  readonly signal?: AbortSignal;
}

export interface Search<Row> {
  /**
   * The rows nearest to a question by meaning, and by words where these have an index. The source's own provider embeds the
   * question; the same question is embedded once an hour.
   * @throws {UsageError} if an option cannot be used, or if there are several sources and none was named
   * @throws {SetupError} if the database is not migrated, or the source cannot be searched
   * @throws {ProviderError} if the question cannot be embedded and its words may not be looked for
   * @throws the signal's reason, also while the database does not answer
   */
  search<Column extends keyof Row & string = never>(
    question: Question,
    options?: SearchOptions<Row, Column>,
  ): Promise<SearchResult<Pick<Row, Column>>>;
  /**
   * The same rows as a query, for a query builder or an ORM: a `select` of the key's columns, `score`, `distance` and `place`
   * (from 1), to be joined with any table.
   */
  query(question: Question, options?: SearchOptions<Row>): Promise<CompiledSearch>;
  /**
   * Resolves when a row has the vector of its text, so that the next search finds it as it is now.
   * @throws {UsageError} if the row failed, if the key is none of the table's, or if no source has the name
   * @throws the signal's reason; {UsageError} at once when the search is closed
   */
  settled(row: AwaitedRow): Promise<void>;
  /**
   * Takes no more searches, waits for those under way (at most `EMBEDDING_TIMEOUT` and 5 seconds; then they fail with a
   * UsageError), and closes what was opened for them.
   */
  close(): Promise<void>;
}

/**
 * Searches for an application: connections and provider are kept open between searches. With a type of a table's rows,
 * `where` and `select` are checked against it: `createSearch<Ticket>({ config })`.
 * @throws {UsageError} if the argument names no database
 */
export function createSearch<Row extends object = Record<string, unknown>>(
  connection: SearchConnection,
): Search<Row> {
  checkConnection(connection);
  const { config } = connection;
  const { db: sessions, close } = databaseOf(connection);
  const db = sessions.withPlugin(new ReadAsJson());
  const { searcher, close: closeSearcher } = openSearcher(db, config);
  const explain = <T>(work: () => Promise<T>): Promise<T> =>
    config.DATABASE_URL === undefined
      ? work()
      : explainUnmigrated({ ...config, DATABASE_URL: config.DATABASE_URL }, work);
  let closed: Promise<void> | undefined;
  const closing = new AbortController();
  const overdue = new AbortController();
  const whileOpen = <T>(
    ending: AbortSignal,
    signal: AbortSignal | undefined,
    work: () => Promise<T>,
  ): Promise<T> => {
    if (closed !== undefined) throw wasClosed();
    return unlessAborted(ending, signal === undefined ? work() : unlessAborted(signal, work()));
  };
  const underWay = new Set<Promise<unknown>>();
  const find = async <T>(
    question: Question,
    options: SearchOptions,
    read: (found: SearchResult) => T | Promise<T>,
  ): Promise<T> => {
    checkSearch(options);
    const { source, where, ...request } = options;
    const run = async (): Promise<T> =>
      read(await searcher.search(source, question, { ...request, where: whereOf(where) }));
    const finding = whileOpen(overdue.signal, options.signal, () => explain(run));
    underWay.add(finding);
    try {
      return await finding;
    } finally {
      underWay.delete(finding);
    }
  };
  const closeAll = async (): Promise<void> => {
    closing.abort(wasClosed());
    // A question's own deadline is EMBEDDING_TIMEOUT: after it the words may still be looked for.
    await withTimeout(config.EMBEDDING_TIMEOUT + DATABASE_MS, Promise.allSettled(underWay), () => undefined);
    overdue.abort(wasClosed());
    await closeSearcher();
    await close();
  };
  return {
    // The columns that were selected are those of the type.
    search: async (question, options = {}) =>
      (await find(question, options as SearchOptions, (found) => found)) as never,
    query: (question, options = {}) =>
      find(question, options as SearchOptions, async ({ hits }) =>
        rankedRows((await searcher.of(options.source)).keyed, hits),
      ),
    settled: async (row) => {
      checkAwaited(row);
      const { source, key, signal } = row;
      await whileOpen(closing.signal, signal, async () => {
        const { keyed } = await explain(() => searcher.of(source));
        const ended = signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal]);
        await waitUntilCurrent(db, keyed.name, key, ended);
      });
    },
    close: () => (closed ??= closeAll()),
  };
}

function wasClosed(): UsageError {
  return new UsageError("This search was closed.", "Make another one with createSearch().");
}

function databaseOf(connection: SearchConnection): { db: Database; close: () => Promise<void> } {
  if ("pool" in connection) return { db: overPool(connection.pool), close: () => Promise.resolve() };
  if ("db" in connection) {
    if (connection.db.isTransaction)
      throw new UsageError(
        "A search needs more than one transaction.",
        "Give createSearch the Kysely instance itself.",
      );
    const db = connection.db.withoutPlugins() as Database;
    return { db, close: () => Promise.resolve() };
  }
  const db = openPool("search", connection.config);
  return { db, close: () => db.destroy() };
}
