import pg from "pg";
import { SetupError } from "../errors.ts";
import { connectionProblem } from "./check-server.ts";

/** @throws {SetupError} where the database cannot be reached, or has not been migrated. */
export async function requireMigrated(databaseUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 10_000 });
  // A server that ends the connection is told by the query that fails.
  client.on("error", () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ migrated: boolean }>(
      "select to_regclass('autoembed.embedding_reservation') is not null as migrated",
    );
    if (rows[0]?.migrated === true) return;
  } catch (error) {
    throw connectionProblem(error);
  } finally {
    await client.end().catch(() => undefined);
  }
  throw new SetupError("This database has not been migrated.", "Run: npm run migrate");
}
