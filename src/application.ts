import type { Config } from "./config.ts";
import type { Database } from "./database/connect.ts";
import { explainUnmigrated } from "./database/explain-unmigrated.ts";
import { directUrl, openPool } from "./database/pools.ts";
import { migrate as migrateDatabase, type MigrateOptions } from "./migrate.ts";
import { dimensionsOf } from "./providers/with-provider.ts";
import { createSearch } from "./search/create-search.ts";
import type { Hit, Question, SearchOptions } from "./search/search-options.ts";
import { unwatch as unwatchSource } from "./watch/unwatch.ts";
import { watch as watchTable, type Watched, type WatchOptions } from "./watch/watch.ts";

/** Settings with a database: what `readConfig` returns if `DATABASE_URL` is set. */
export type ApplicationConfig = Config & { readonly DATABASE_URL: string };

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

/** One search of `createSearch`, with everything opened for it and closed: for scripts. */
export async function search(
  config: ApplicationConfig,
  question: Question,
  options: SearchOptions = {},
): Promise<readonly Hit[]> {
  const opened = createSearch({ config });
  try {
    return (await opened.search(question, options)).hits;
  } finally {
    const closed = opened.close();
    closed.catch(() => undefined); // thrown below
    // A connection that waits for the database would be waited for.
    if (options.signal?.aborted !== true) await closed;
  }
}

async function withDatabase<T>(config: ApplicationConfig, work: (db: Database) => Promise<T>): Promise<T> {
  const db = openPool("application", config);
  try {
    return await explainUnmigrated(config, () => work(db));
  } finally {
    await db.destroy();
  }
}
