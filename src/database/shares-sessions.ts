import { clientOf } from "./client-of.ts";

/** How often two clients are compared: other clients of the pooler may take the session in between. */
const ROUNDS = 5;
const CONNECT_MS = 10_000;

const known = new Map<string, Promise<boolean>>();

/**
 * Whether the server's sessions behind an address go from one client to another, as a pooler in transaction mode has them.
 * Two clients that get the same session, or one that gets two, show it. Asked once per address and process.
 */
export function sharesSessions(connectionString: string): Promise<boolean> {
  const asked =
    known.get(connectionString) ??
    ask(connectionString).catch((error: unknown) => {
      known.delete(connectionString);
      throw error;
    });
  known.set(connectionString, asked);
  return asked;
}

async function ask(connectionString: string): Promise<boolean> {
  const clients = [1, 2].map(
    () =>
      new (clientOf(connectionString))({
        connectionString,
        connectionTimeoutMillis: CONNECT_MS,
        query_timeout: CONNECT_MS,
      }),
  );
  for (const client of clients) client.on("error", () => undefined);
  try {
    const seen: Set<number>[] = [];
    for (const client of clients) {
      await client.connect();
      seen.push(new Set());
    }
    for (let round = 0; round < ROUNDS; round++) {
      for (const [i, client] of clients.entries()) {
        const { rows } = await client.query<{ pid: number }>("select pg_catalog.pg_backend_pid() as pid");
        for (const { pid } of rows) seen[i]?.add(pid);
      }
    }
    const [first = new Set(), second = new Set()] = seen;
    return first.size > 1 || second.size > 1 || [...first].some((pid) => second.has(pid));
  } finally {
    await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
  }
}
