import { startEmbedded } from "../../src/embedded/start-embedded.ts";
import type { TestDatabase } from "./database.ts";
import { emptySnapshot } from "./embedded-database.ts";
import { openEmptyDatabase } from "./native-database.ts";

/** A database with nothing in it: on the server that TEST_DATABASE_URL names, otherwise an embedded one in memory. */
export async function openUnmigratedDatabase(): Promise<TestDatabase> {
  const server = process.env["TEST_DATABASE_URL"];
  if (server !== undefined) return { ...(await openEmptyDatabase(server)), engine: "native" };
  const postgres = await startEmbedded({ dataDirectory: undefined, snapshot: await emptySnapshot() });
  return { url: postgres.url, engine: "embedded", close: () => postgres.close() };
}
