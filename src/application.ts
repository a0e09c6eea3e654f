import type { Config } from "./config.ts";
import type { Database } from "./database/connect.ts";
import { explainUnmigrated } from "./database/explain-unmigrated.ts";
import { directUrl, openPool } from "./database/pools.ts";
import { SetupError } from "./errors.ts";
import { migrate as migrateDatabase, type MigrateOptions } from "./migrate.ts";
import { dimensionsOf, withProvider } from "./providers/registry.ts";
import { embedQuery } from "./search/embed-query.ts";
import { searchChosen } from "./search/search-source.ts";
import type { Neighbour } from "./search/searched-rows.ts";
import { choose } from "./sources/choose-sources.ts";
import { unwatch as unwatchSource } from "./watch/unwatch.ts";
import { watch as watchTable, type Watched, type WatchOptions } from "./watch/watch.ts";

/** Settings with a database: what `readConfig` returns if `DATABASE_URL` is set. */
export type ApplicationConfig = Config & { readonly DATABASE_URL: string };

export interface SearchOptions {
  /** The source's name. Optional if there is only one source. */
  readonly source?: string;
  /** The most rows that are returned; 10 by default. */
  readonly limit?: number;
  /** Also returns each row's text; of a text in chunks, the text of its best chunk. */
  readonly withText?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Brings a database up to date, as `npm run migrate` does: with the settings that the other functions take, or with an
 * address and the length of the vectors of `patient_embeddings`.
 * @throws {SetupError} where the server, its pgvector or its permissions do not allow it, with what to do.
 * @throws {UsageError} if the argument names no database.
 */
export async function migrate(
  target: ApplicationConfig | MigrateOptions,
  options: Pick<MigrateOptions, "adoptsFirstVersion" | "onMessage"> = {},
): Promise<void> {
  if (!("DATABASE_URL" in target)) {
    await migrateDatabase(target);
    return;
  }
  await migrateDatabase({
    ...options,
    databaseUrl: directUrl(target),
    dimensions: await dimensionsOf(target),
  });
}

/**
 * Watches a text of a table, as `npm run watch` does.
 * @throws {SetupError} if the text cannot be watched; the error says what to do.
 */
export async function watch(config: ApplicationConfig, options: WatchOptions): Promise<Watched> {
  return await withDatabase(config, (db) => watchTable(db, config, options));
}

/** Stops watching. The table and its vectors stay as they are. @throws {UsageError} if no source has that name. */
export async function unwatch(config: ApplicationConfig, name: string): Promise<void> {
  await withDatabase(config, (db) => unwatchSource(db, name));
}

/**
 * The rows nearest to a query by meaning, nearest first; of a text in chunks, each row once, by its best chunk. The
 * source's own provider embeds the query; the same words are embedded only once.
 * @throws {SetupError} if there is nothing to search, or if there are several sources and none was named.
 */
export async function search(
  config: ApplicationConfig,
  query: string,
  options: SearchOptions = {},
): Promise<Neighbour[]> {
  const signal = options.signal ?? AbortSignal.timeout(config.EMBEDDING_TIMEOUT);
  return await withDatabase(config, async (db) => {
    const chosen = await choose(db, options.source);
    const [source, ...others] = chosen.sources;
    if (source === undefined || others.length > 0) {
      throw new SetupError(
        "Several sources could be searched.",
        `Name one: ${[source, ...others].map((known) => known?.name).join(", ")}.`,
      );
    }
    // The column gives the length of its vectors, so the provider need not be probed.
    const vector = await withProvider(
      config,
      source,
      { dimensions: source.columnDimensions, signal },
      (provider) => embedQuery(db, provider, query, signal),
    );
    return await searchChosen(db, chosen, vector, {
      limit: options.limit ?? 10,
      withText: options.withText ?? false,
    });
  });
}

async function withDatabase<T>(config: ApplicationConfig, work: (db: Database) => Promise<T>): Promise<T> {
  const db = openPool("application", config);
  try {
    return await explainUnmigrated(config, () => work(db));
  } finally {
    await db.destroy();
  }
}
