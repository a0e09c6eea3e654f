import { Kysely, PostgresDialect, type PostgresPool, type PostgresPoolClient } from "kysely";
import pg from "pg";
import { PLANNING } from "./kept-plan.ts";
import { sessionOptions } from "./session-options.ts";
import { pinSession } from "./session-settings.ts";
import type { DB } from "./schema.ts";

export type Database = Kysely<DB>;

export interface ConnectOptions {
  readonly databaseUrl: string;
  /** Connections, at most. Two or three writers saturate one Postgres; more gain nothing. */
  readonly maxConnections: number;
  /**
   * Whether the sessions are ours alone. A transaction pooler shares them, and refuses settings at the start; then
   * `lock_timeout` should be set for the listener's role.
   */
  readonly ownSessions: boolean;
  /** Whether prepared statements are planned per execution (the default) or per session, where the sessions are ours alone. */
  readonly plans?: "made" | "kept";
  /** A connection whose statement has no reply by then is considered dead. */
  readonly queryTimeoutMs?: number;
  /** Whether statements wait for a lock as long as it takes, where the sessions are ours alone. */
  readonly waitsForLocks?: boolean;
}

/** Postgres parses a statement that begins so once per session, where the sessions are ours alone. */
export const PREPARED = "/* prepared */";

/** How long our statement waits for a lock on a table that a user is altering, before it fails and is tried again later. */
const LOCK_TIMEOUT_MS = 1_000;
/** A plan made for an empty queue and kept reads the whole of a full one: 1,100 us per claimed row instead of 26. */
const MADE = { plan_cache_mode: "force_custom_plan" } as const;
/** Many times what a batch takes, and how long a connection that died silently (half-open) goes unnoticed. */
const QUERY_TIMEOUT_MS = 30_000;

/** The server ends a statement this much later than we give it up. */
const GRACE_MS = 1_000;

/** Opens a pool, for `pools.ts` and for tests. Nothing is sent until the first query. */
export function connect(options: ConnectOptions): Database {
  const pool = new pg.Pool({
    ...(options.ownSessions
      ? {
          ...sessionOptions(options.databaseUrl, options.plans === "kept" ? PLANNING : MADE),
          ...(options.waitsForLocks === true ? {} : { lock_timeout: LOCK_TIMEOUT_MS }),
        }
      : { connectionString: options.databaseUrl }),
    max: options.maxConnections,
    application_name: "pg-autoembed",
    connectionTimeoutMillis: 10_000,
    query_timeout: options.queryTimeoutMs ?? QUERY_TIMEOUT_MS,
    keepAlive: true,
  });
  // The pool replaces a dead connection at the next query; without these handlers its error would end the process.
  pool.on("error", () => undefined);
  pool.on("connect", (client) => client.on("error", () => undefined));
  return new Kysely<DB>({ dialect: new PostgresDialect({ pool: asWeUseIt(pool, options) }) });
}

/**
 * pg gives up on a query that is not answered in time and keeps its connection, on which every later query would wait
 * just as long: that connection is closed instead of going back to the pool.
 *
 * The statements of a batch are long: to parse them each time costs 6 us of Postgres a row, in batches of 128.
 */
function asWeUseIt(pool: pg.Pool, { ownSessions, queryTimeoutMs }: ConnectOptions): PostgresPool {
  const pinned = new WeakSet<pg.PoolClient>();
  const pin = pinSession((queryTimeoutMs ?? QUERY_TIMEOUT_MS) + GRACE_MS);
  const names = new Map<string, string>();
  const nameOf = (text: string): string => {
    const name = names.get(text) ?? `embed_${names.size + 1}`;
    names.set(text, name);
    return name;
  };
  return {
    connect: async () => {
      const client = await pool.connect();
      if (ownSessions && !pinned.has(client)) {
        try {
          await client.query(pin);
          pinned.add(client);
        } catch (error) {
          client.release(true);
          throw error;
        }
      }
      let silent = false;
      const query = async (text: string, values: unknown[]): Promise<unknown> => {
        try {
          const prepared = ownSessions && text.startsWith(PREPARED);
          return await client.query(prepared ? { name: nameOf(text), text, values } : { text, values });
        } catch (error) {
          silent ||= error instanceof Error && error.message === "Query read timeout";
          throw error;
        }
      };
      const release = (): void => {
        client.release(silent);
      };
      return { query, release } as PostgresPoolClient;
    },
    end: () => pool.end(),
  };
}
