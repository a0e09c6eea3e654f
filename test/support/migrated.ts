import pg from "pg";
import { onTestFinished } from "vitest";
import { connect, type Database } from "../../src/database/connect.ts";
import { openTestDatabase } from "./database.ts";

export interface Migrated {
  readonly url: string;
  /** As a person connects. */
  readonly client: pg.Client;
  /** As a command connects. */
  readonly db: Database;
}

/** A migrated database of the test's own, which it may damage; all of it is closed when the test ends. */
export async function openMigrated(): Promise<Migrated> {
  const database = await openTestDatabase({ dimensions: 8 });
  onTestFinished(() => database.close());
  const client = new pg.Client(database.url);
  await client.connect();
  onTestFinished(() => client.end());
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  return { url: database.url, client, db };
}
