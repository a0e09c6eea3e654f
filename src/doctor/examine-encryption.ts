import { sql } from "kysely";
import type pg from "pg";
import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { clientOf } from "../database/client-of.ts";
import { ok, problem, type Finding } from "./finding.ts";

const PATIENCE_MS = 5_000;

/** The settings that name the database, each with an address of its own. */
const SETTINGS = ["DATABASE_URL", "LISTEN_DATABASE_URL", "EMBED_MCP_DATABASE_URL"] as const;

/** Of a `net.Socket`; only those with TLS have `encrypted`. */
interface SocketEnds {
  readonly encrypted?: boolean;
  readonly remoteAddress?: string | undefined;
  readonly localAddress?: string | undefined;
}

export interface EncryptionFacts {
  /** Whether the session is encrypted as the server sees it; null where it does not say. */
  readonly encrypted: boolean | null;
  /** Whether the session comes from another machine, as the server sees it. */
  readonly remote: boolean;
  /** The settings whose address is reached from here without TLS on another machine. */
  readonly open: readonly string[];
}

/**
 * Finds connections to the database without TLS between two machines, from both ends: a pooler next to the server looks to
 * it like a client of its own machine, and behind one elsewhere the way to the server is not seen from here.
 * @param db reached by DATABASE_URL
 */
export async function examineEncryption(
  db: Database,
  config: Pick<Config, (typeof SETTINGS)[number]>,
  isOpen: (socket: SocketEnds) => boolean = isReadable,
): Promise<Finding[]> {
  const { rows } = await sql<Omit<EncryptionFacts, "open">>`
    select (select ssl from pg_stat_ssl where pid = pg_backend_pid()) as encrypted,
      coalesce(not (inet_client_addr() <<= any('{127.0.0.0/8,::1}'::inet[]))
        and inet_client_addr() <> inet_server_addr(), false) as remote`.execute(db);
  const open: string[] = [];
  for (const setting of SETTINGS) {
    const address = config[setting];
    if (address !== undefined && (await isOpenTo(address, isOpen))) open.push(setting);
  }
  return rows.flatMap((seen) => judgeEncryption({ ...seen, open }));
}

/** The session of DATABASE_URL is reported once, where both ends find it open. */
export function judgeEncryption({ open, ...seen }: EncryptionFacts): Finding[] {
  const fromServer = open.includes("DATABASE_URL") ? [] : [seenByServer(seen)];
  if (open.length === 0) return fromServer;
  return [
    ...fromServer,
    problem(
      `The connection of ${open.join(", ")} is not encrypted, and leads to another machine: texts and vectors can be read on the way.`,
      `Append ?sslmode=verify-full&sslrootcert=FILE to ${open.join(" and ")}, with the authority of the server's certificate in that file.`,
    ),
  ];
}

function seenByServer({ encrypted, remote }: Omit<EncryptionFacts, "open">): Finding {
  if (encrypted === true) return ok("The connection to the database is encrypted");
  if (!remote) return ok("The connection to the database stays on one machine");
  return problem(
    "The connection that reaches the server is not encrypted, and comes from another machine: texts and vectors can be read on the way.",
    "A pooler or proxy stands between: have it use TLS to the server too (PgBouncer: server_tls_sslmode). If none does, append ?sslmode=verify-full&sslrootcert=FILE to DATABASE_URL, with the authority of the server's certificate in that file.",
  );
}

/** An address that does not answer is left to other checks. */
async function isOpenTo(databaseUrl: string, isOpen: (socket: SocketEnds) => boolean): Promise<boolean> {
  const client = new (clientOf(databaseUrl))({
    connectionString: databaseUrl,
    connectionTimeoutMillis: PATIENCE_MS,
  });
  client.on("error", () => undefined);
  try {
    await client.connect();
    return isOpen(socketOf(client));
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** pg does not show it. */
function socketOf(client: pg.Client): SocketEnds {
  return (client as unknown as { readonly connection: { readonly stream: SocketEnds } }).connection.stream;
}

/** Whether others on the way can read what goes through a socket; a Unix socket has no addresses. */
export function isReadable({ encrypted, remoteAddress, localAddress }: SocketEnds): boolean {
  if (encrypted === true || remoteAddress === undefined) return false;
  return remoteAddress !== localAddress && !/^(::ffff:)?127\.|^::1$/.test(remoteAddress);
}
