import type pg from "pg";
import { SetupError } from "../errors.ts";
import { ClosingClient } from "./closing-client.ts";
import { addressesOf, connectTimeoutMs, wantedServers } from "./connection-url.ts";
import { isRefusedPassword } from "./database-fault.ts";
import { isWanted } from "./wanted-server.ts";

/** One host of several has this long to connect, unless `connect_timeout` says another time, and again to answer. */
const ANSWER_MS = 5_000;

/** The password of a client that has none in its address, for the host that it leads to. */
export type PasswordFor = (client: pg.Client) => Promise<string>;

/** The address that was found last for a list of hosts. */
const found = new Map<string, string>();

/**
 * The address of the host that is meant by a list of them, as libpq takes it: the first that can be reached and is what
 * `target_session_attrs` wants. pg connects to one host; this asks each in turn, once, and remembers which it was until a
 * connection to it fails.
 * @throws the last host's error, where none will do; a refused password goes before it, for which there is a remedy
 */
export async function findHost(databaseUrl: string, passwordFor?: PasswordFor): Promise<string> {
  const addresses = addressesOf(databaseUrl);
  const [only = databaseUrl] = addresses;
  if (addresses.length <= 1) return only;
  const known = found.get(databaseUrl);
  if (known !== undefined) return known;
  let refused: unknown;
  for (const wanted of wantedServers(databaseUrl)) {
    for (const address of addresses) {
      try {
        if (!(await answers(address, wanted, passwordFor))) continue;
        found.set(databaseUrl, address);
        return address;
      } catch (error) {
        if (!isRefusedPassword(refused)) refused = error;
      }
    }
  }
  if (refused instanceof Error) throw refused;
  throw new SetupError(
    "None of the hosts of DATABASE_URL is what target_session_attrs wants.",
    "Check which of them is the primary and which are standbys, or leave target_session_attrs out.",
  );
}

/** The host is not what it was: the next connection asks all of them again. */
export function forgetHost(databaseUrl: string): void {
  found.delete(databaseUrl);
}

async function answers(
  connectionString: string,
  wanted: ReturnType<typeof wantedServers>[number],
  passwordFor: PasswordFor | undefined,
): Promise<boolean> {
  const client = new ClosingClient({
    connectionString,
    connectionTimeoutMillis: connectTimeoutMs(connectionString) ?? ANSWER_MS,
    query_timeout: ANSWER_MS,
    application_name: "pg-autoembed",
  });
  client.on("error", () => undefined);
  try {
    if (passwordFor !== undefined) client.password = await passwordFor(client);
    await client.connect();
    return wanted === undefined || (await isWanted(client, wanted));
  } finally {
    await client.end().catch(() => undefined);
  }
}
