import type pg from "pg";
import type { Config } from "../config.ts";
import { clientOf } from "../database/client-of.ts";
import { problem, type Finding } from "./finding.ts";

const PATIENCE_MS = 5_000;

/** The settings that name the database, each with an address of its own. */
const SETTINGS = ["DATABASE_URL", "LISTEN_DATABASE_URL", "EMBED_MCP_DATABASE_URL"] as const;

/** Of a `net.Socket`; only those with TLS have `encrypted`. */
interface SocketEnds {
  readonly encrypted?: boolean;
  readonly remoteAddress?: string | undefined;
  readonly localAddress?: string | undefined;
}

/**
 * Finds addresses of the database that are reached from here without TLS on another machine. The server cannot tell: a
 * pooler next to it looks like a client of its own machine. An address that does not answer is left to other checks.
 */
export async function examineEncryption(
  config: Pick<Config, (typeof SETTINGS)[number]>,
  isOpen: (socket: SocketEnds) => boolean = isReadable,
): Promise<Finding[]> {
  const open: string[] = [];
  for (const setting of SETTINGS) {
    const address = config[setting];
    if (address !== undefined && (await isOpenTo(address, isOpen))) open.push(setting);
  }
  if (open.length === 0) return [];
  return [
    problem(
      `The connection of ${open.join(", ")} is not encrypted, and leads to another machine: texts and vectors can be read on the way.`,
      `Append ?sslmode=verify-full&sslrootcert=FILE to ${open.join(" and ")}, with the authority of the server's certificate in that file.`,
    ),
  ];
}

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
