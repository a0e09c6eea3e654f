import { readConfig } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { openPool } from "../database/pools.ts";
import { openDatabase, type OpenDatabase } from "./database-of.ts";

/**
 * Runs `work` on the configured database with one connection, then closes the connection and the database.
 * @param signal ends the wait until the database is open; `work` listens to it by itself
 */
export async function withDatabase<T>(
  work: (db: Database, config: OpenDatabase["config"]) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const database = await openDatabase(readConfig(process.env, console.error), { signal });
  const db = openPool("command", database.config);
  try {
    return await work(db, database.config);
  } finally {
    await db.destroy();
    await database.close();
  }
}
