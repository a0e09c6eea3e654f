import { connect, type ConnectOptions, type Database } from "./connect.ts";
import { connectionShares } from "./connection-shares.ts";

/** The addresses that the configuration has of one database. */
export interface DatabaseUrls {
  /** May lead through a transaction pooler; then `LISTEN_DATABASE_URL` is set. */
  readonly DATABASE_URL: string;
  /** Past the pooler. */
  readonly LISTEN_DATABASE_URL?: string | undefined;
  /** What all pools of a listener may have together. */
  readonly EMBED_MAX_CONNECTIONS?: number | undefined;
  /** Whether a listener has a page, whose pools take part in that. */
  readonly EMBED_HTTP_PORT?: number | undefined;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

interface PoolSettings {
  /** At most. Of the parts of a listener: their share of what it may have. */
  readonly connections: number | "share";
  /**
   * `configured` goes through the pooler where there is one, so that a listener's connections are shared. `direct` goes
   * past it: commands are one session each, and set what they need for a session.
   */
  readonly route: "configured" | "direct";
  /** See `ConnectOptions`. */
  readonly plans?: "kept" | "chosen";
  readonly queryTimeoutMs?: number;
  readonly waitsForLocks?: true;
  readonly isReadOnly?: true;
  readonly seeksPrimary?: true;
  readonly patienceMs?: number;
}

/** Who asks a page waits, and readiness is to be known soon. */
const READER_PATIENCE_MS = 1_000;

const POOLS = {
  /** Everything that a listener does apart from its batches. */
  listener: { connections: "share", route: "configured", seeksPrimary: true },
  /** The statements of a batch, whose plans are kept: the writers, and one that claims. */
  batches: { connections: "share", route: "configured", plans: "kept", seeksPrimary: true },
  /** Apart from the work, so that a full pool never makes a living listener look dead. Without a reply by then, the heartbeat was missed. */
  heartbeat: { connections: "share", route: "configured", queryTimeoutMs: 5_000, seeksPrimary: true },
  /** The HTTP page, `/metrics` and `/readyz`: connections of their own, so that a reader delays no write. */
  page: {
    connections: "share",
    route: "configured",
    patienceMs: READER_PATIENCE_MS,
    seeksPrimary: true,
  },
  /**
   * Row counts of the page, apart from it, one after the other: a slow count delays no page. A count that is timed out
   * here goes on in Postgres, next to the one that follows.
   */
  counts: { connections: "share", route: "configured", queryTimeoutMs: HOUR_MS },
  /** One command. To read every text of a large table takes long in one statement, and blocks no user. */
  command: { connections: 1, route: "direct", queryTimeoutMs: HOUR_MS },
  /** Searches by HTTP: so many at a time. */
  questions: { connections: "share", route: "configured", plans: "chosen", patienceMs: READER_PATIENCE_MS },
  /** The searches of an application: so many at a time. */
  search: { connections: 10, route: "configured", plans: "chosen" },
  /** The tools of an agent, past a pooler: a session is made read-only for good. */
  agent: { connections: 3, route: "direct", plans: "chosen", isReadOnly: true },
  /** One call of the library, whose caller waits for it. */
  application: { connections: 1, route: "direct" },
  /** A backfill counts the rows that it will embed on one connection, and what is left on the other. */
  backfill: { connections: 2, route: "direct", queryTimeoutMs: HOUR_MS },
  /** Comparing two models without an index reads the whole table for each row that is compared. */
  modelChange: { connections: 2, route: "direct", queryTimeoutMs: DAY_MS, waitsForLocks: true },
  /**
   * One connection builds, the other reads its progress and cancels it. A concurrent build waits for every older
   * transaction, so it may take days; timers, and `statement_timeout`, end at 24.
   */
  indexBuilder: { connections: 2, route: "direct", queryTimeoutMs: 20 * DAY_MS, waitsForLocks: true },
} as const satisfies Readonly<Record<string, PoolSettings>>;

export type PoolRole = keyof typeof POOLS;

/** Opens the pool of a role. Nothing is sent until the first query. */
export function openPool(
  role: PoolRole,
  urls: DatabaseUrls,
  options: Pick<ConnectOptions, "onNotice" | "onStarved"> = {},
): Database {
  const { connections, route, ...settings }: PoolSettings = POOLS[role];
  return connect({
    ...settings,
    ...options,
    databaseUrl: route === "direct" ? directUrl(urls) : urls.DATABASE_URL,
    maxConnections: connections === "share" ? shareOf(role, urls) : connections,
    ownSessions: route === "direct" || hasOwnSessions(urls),
  });
}

function shareOf(role: PoolRole, { EMBED_MAX_CONNECTIONS, EMBED_HTTP_PORT }: DatabaseUrls): number {
  const shares: Partial<Record<string, number>> = connectionShares(
    EMBED_MAX_CONNECTIONS,
    EMBED_HTTP_PORT !== undefined,
  );
  return shares[role] ?? 1;
}

/** The database past the pooler, where there is one: for LISTEN, migrations, and commands. */
export function directUrl({ DATABASE_URL, LISTEN_DATABASE_URL }: DatabaseUrls): string {
  return LISTEN_DATABASE_URL ?? DATABASE_URL;
}

/** Whether a connection to `DATABASE_URL` is a session of its own: no pooler gives it to others between two statements. */
export function hasOwnSessions({ LISTEN_DATABASE_URL }: DatabaseUrls): boolean {
  return LISTEN_DATABASE_URL === undefined;
}
