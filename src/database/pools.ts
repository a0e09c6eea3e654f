import { connect, type Database } from "./connect.ts";

/** The addresses that the configuration has of one database. */
export interface DatabaseUrls {
  /** May lead through a transaction pooler; then `LISTEN_DATABASE_URL` is set. */
  readonly DATABASE_URL: string;
  /** Past the pooler. */
  readonly LISTEN_DATABASE_URL?: string | undefined;
}

/** Write-backs in flight in one listener. Two or three writers saturate one Postgres; more gain nothing. */
export const WRITERS = 3;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

interface PoolSettings {
  readonly connections: number;
  /**
   * `configured` goes through the pooler where there is one, so that a listener's connections are shared. `direct` goes
   * past it: commands are one session each, and set what they need for a session.
   */
  readonly route: "configured" | "direct";
  /** See `ConnectOptions`. */
  readonly plans?: "kept";
  readonly queryTimeoutMs?: number;
  readonly waitsForLocks?: true;
}

const POOLS = {
  /** Everything that a listener does apart from its batches: each writer may need one, maintenance another. */
  listener: { connections: WRITERS + 2, route: "configured" },
  /** The statements of a batch, whose plans are kept: the writers, and one that claims. */
  batches: { connections: WRITERS + 1, route: "configured", plans: "kept" },
  /** Apart from the work, so that a full pool never makes a living listener look dead. Without a reply by then, the heartbeat was missed. */
  heartbeat: { connections: 1, route: "configured", queryTimeoutMs: 5_000 },
  /** The HTTP page and `/metrics`: connections of their own, so that a reader delays no write. */
  page: { connections: 2, route: "configured" },
  /**
   * Row counts of the page, apart from it, one after the other: a slow count delays no page. A count that is timed out
   * here goes on in Postgres, next to the one that follows.
   */
  counts: { connections: 1, route: "configured", queryTimeoutMs: HOUR_MS },
  /** One command. To read every text of a large table takes long in one statement, and blocks no user. */
  command: { connections: 1, route: "direct", queryTimeoutMs: HOUR_MS },
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
export function openPool(role: PoolRole, urls: DatabaseUrls): Database {
  const { connections, route, ...settings }: PoolSettings = POOLS[role];
  return connect({
    ...settings,
    databaseUrl: route === "direct" ? directUrl(urls) : urls.DATABASE_URL,
    maxConnections: connections,
    ownSessions: route === "direct" || hasOwnSessions(urls),
  });
}

/** The database past the pooler, where there is one: for LISTEN, migrations, and commands. */
export function directUrl({ DATABASE_URL, LISTEN_DATABASE_URL }: DatabaseUrls): string {
  return LISTEN_DATABASE_URL ?? DATABASE_URL;
}

/** Whether a connection to `DATABASE_URL` is a session of its own: no pooler gives it to others between two statements. */
export function hasOwnSessions({ LISTEN_DATABASE_URL }: DatabaseUrls): boolean {
  return LISTEN_DATABASE_URL === undefined;
}
