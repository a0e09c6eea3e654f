import type pg from "pg";
import { ADDRESSES, type Config } from "../config.ts";
import { askOnce } from "../database/ask-once.ts";
import { ok, problem, warning, type Finding } from "./finding.ts";

const PATIENCE_MS = 5_000;

/** Of a `net.Socket`; only those with TLS have `encrypted`. */
interface SocketEnds {
  readonly encrypted?: boolean;
  readonly remoteAddress?: string | undefined;
  readonly localAddress?: string | undefined;
}

/** How an address of the database is reached. */
export interface Reached {
  readonly setting: string;
  /** Others can read what goes through the socket that leaves here. */
  readonly isOpen: boolean;
  /** That socket has no TLS, and both its ends are on this machine: a pooler's, or a port that leads to a container or another machine. */
  readonly isNear: boolean;
  /** Whether the session is encrypted as the server sees it; null where it does not say. */
  readonly encrypted: boolean | null;
  /** Whether the session comes from another machine, as the server sees it. */
  readonly remote: boolean;
}

/**
 * Finds connections to the database without TLS between two machines, from both ends: a pooler next to the server looks to
 * it like a client of its own machine, and behind one elsewhere the way to the server is not seen from here. An address
 * that does not answer is left to other checks.
 */
export async function examineEncryption(
  config: Pick<Config, (typeof ADDRESSES)[number]>,
  isOpen: (socket: SocketEnds) => boolean = isReadable,
): Promise<Finding[]> {
  const reached: Reached[] = [];
  for (const setting of ADDRESSES) {
    const address = config[setting];
    const found = address === undefined ? undefined : await reach(address, isOpen);
    if (found !== undefined) reached.push({ setting, ...found });
  }
  return judgeEncryption(reached);
}

/** Each address is reported once, where both ends find it open too. */
export function judgeEncryption(reached: readonly Reached[]): Finding[] {
  const open = reached.filter(({ isOpen }) => isOpen).map(({ setting }) => setting);
  const beyond = reached.filter(({ isOpen, encrypted, remote }) => !isOpen && encrypted !== true && remote);
  const relayed = beyond.filter(({ isNear }) => isNear).map(({ setting }) => setting);
  const pooled = beyond.filter(({ isNear }) => !isNear).map(({ setting }) => setting);
  const findings: Finding[] = [];
  if (open.length > 0)
    findings.push(
      problem(
        `The connection of ${open.join(", ")} is not encrypted, and leads to another machine: texts and vectors can be read on the way.`,
        `Append ?sslmode=verify-full&sslrootcert=FILE to ${open.join(" and ")}, with the authority of the server's certificate in that file.`,
      ),
    );
  if (relayed.length > 0)
    findings.push(
      warning(
        `The connection of ${relayed.join(", ")} goes to this machine, and reaches the server from another address, not encrypted: texts and vectors can be read on the way if it leaves this machine.`,
        "A container's published port, or a tunnel with encryption of its own: nothing to do. A pooler or proxy: have it use TLS to the server too (PgBouncer: server_tls_sslmode).",
      ),
    );
  if (pooled.length > 0)
    findings.push(
      problem(
        `The connection of ${pooled.join(", ")} that reaches the server is not encrypted, and comes from another machine: texts and vectors can be read on the way.`,
        "A pooler or proxy stands between: have it use TLS to the server too (PgBouncer: server_tls_sslmode).",
      ),
    );
  if (findings.length > 0 || reached.length === 0) return findings;
  return [
    ok(
      reached.every(({ encrypted }) => encrypted === true)
        ? "The connection to the database is encrypted"
        : "The connection to the database is encrypted, or stays on one machine",
    ),
  ];
}

/** Undefined where it does not answer. */
async function reach(
  databaseUrl: string,
  isOpen: (socket: SocketEnds) => boolean,
): Promise<Omit<Reached, "setting"> | undefined> {
  const look = async (client: pg.Client): Promise<Omit<Reached, "setting"> | undefined> => {
    const { rows } = await client.query<Pick<Reached, "encrypted" | "remote">>(`
      select (select ssl from pg_catalog.pg_stat_ssl where pid = pg_catalog.pg_backend_pid()) as encrypted,
        coalesce(not (pg_catalog.inet_client_addr() <<= any('{127.0.0.0/8,::1}'::inet[]))
          and pg_catalog.inet_client_addr() <> pg_catalog.inet_server_addr(), false) as remote`);
    const socket = socketOf(client);
    return rows[0] && { isOpen: isOpen(socket), isNear: isNear(socket), ...rows[0] };
  };
  return await askOnce(databaseUrl, look, { patienceMs: PATIENCE_MS }).catch(() => undefined);
}

/** pg does not show it. */
function socketOf(client: pg.Client): SocketEnds {
  return (client as unknown as { readonly connection: { readonly stream: SocketEnds } }).connection.stream;
}

/** Whether others on the way can read what goes through a socket; a Unix socket has no addresses. */
export function isReadable(socket: SocketEnds): boolean {
  return socket.encrypted !== true && socket.remoteAddress !== undefined && !isNear(socket);
}

/** A socket without TLS between two addresses of this machine. */
export function isNear({ encrypted, remoteAddress, localAddress }: SocketEnds): boolean {
  if (encrypted === true || remoteAddress === undefined) return false;
  return remoteAddress === localAddress || /^(::ffff:)?127\.|^::1$/.test(remoteAddress);
}
