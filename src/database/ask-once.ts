import type pg from "pg";
import { clientOf } from "./client-of.ts";

const CONNECT_MS = 10_000;

/**
 * Connects, looks, and ends the connection, whatever comes of it.
 * @param patienceMs of the connection and of each answer; by default ten seconds for the connection, and answers take their time
 * @throws what the connection or `look` throws
 */
export async function askOnce<T>(
  databaseUrl: string,
  look: (client: pg.Client) => Promise<T>,
  { patienceMs }: { readonly patienceMs?: number } = {},
): Promise<T> {
  const client = new (clientOf(databaseUrl))({
    connectionString: databaseUrl,
    connectionTimeoutMillis: patienceMs ?? CONNECT_MS,
    query_timeout: patienceMs,
  });
  // A server that ends the connection shows in the query that fails.
  client.on("error", () => undefined);
  try {
    await client.connect();
    return await look(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}
