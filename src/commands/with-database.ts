import { readConfig } from "../config.ts";
import { connect, directUrl, type Database } from "../database/connect.ts";
import { openDatabase, type OpenDatabase } from "./database-of.ts";

/** Reading every text of a large table takes one long statement, which blocks no other. */
const LONGEST_STATEMENT_MS = 3_600_000;

/** Runs `work` on the configured database with one connection, then closes the connection and the database. */
export async function withDatabase<T>(
  work: (db: Database, config: OpenDatabase["config"]) => Promise<T>,
): Promise<T> {
  const database = await openDatabase(readConfig(process.env));
  const db = connect({
    databaseUrl: directUrl(database.config),
    maxConnections: 1,
    ownSessions: true,
    queryTimeoutMs: LONGEST_STATEMENT_MS,
  });
  try {
    return await work(db, database.config);
  } finally {
    await db.destroy();
    await database.close();
  }
}
