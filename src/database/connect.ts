import { Kysely, PostgresDialect, type PostgresPool, type PostgresPoolClient } from "kysely";
import pg from "pg";
import { addressesOf, connectTimeoutMs, plainConnectionString } from "./connection-url.ts";
import { clientOf } from "./client-of.ts";
import { NoConnection, SetupError } from "../errors.ts";
import { connectPatiently } from "./connect-patiently.ts";
import { isOfSharedSession, isReadOnly, isUnanswered } from "./database-fault.ts";
import { PLANNING } from "./kept-plan.ts";
import { sessionOptions } from "./session-options.ts";
import { passwordSource } from "./password-source.ts";
import { sessionsAreShared } from "./pooler-fault.ts";
import { OWN_SESSION, pinSession } from "./session-settings.ts";
import { sharesSessions } from "./shares-sessions.ts";
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
  /**
   * Whether prepared statements are planned per execution (the default), per session, or as Postgres finds best, where the
   * sessions are ours alone.
   */
  readonly plans?: "made" | "kept" | "chosen";
  /** A connection whose statement has no reply by then is considered dead. */
  readonly queryTimeoutMs?: number;
  /** Whether statements wait for a lock as long as it takes, where the sessions are ours alone. */
  readonly waitsForLocks?: boolean;
  /** Whether Postgres refuses every write, where the sessions are ours alone. */
  readonly isReadOnly?: boolean;
  /** Whether a connection that takes no writes any more, as after a failover, is closed: the next may lead to the new primary. */
  readonly seeksPrimary?: boolean;
  /** Receives the messages of Postgres that are no errors. They may quote a user's code: repeat none that is not known. */
  readonly onNotice?: (message: string) => void;
  /** How long a caller waits while the server has no free connection. */
  readonly patienceMs?: number;
  /** Called when the pool has no connection because none is free, and when it has one again. */
  readonly onStarved?: ((isStarved: boolean) => void) | undefined;
}

/** Postgres parses a statement that begins so once per session, where the sessions are ours alone. */
export const PREPARED = "/* prepared */";

/**
 * A session keeps no more statements than that: with their plans they are 0.1 MB each, and a source has four. What is not
 * kept is parsed and planned each time, which takes 1 to 2 ms.
 */
const MOST_KEPT = 200;

/** How long our statement waits for a lock on a table that a user is altering, before it fails and is tried again later. */
const LOCK_TIMEOUT_MS = 1_000;
/** A plan made for an empty queue and kept reads the whole of a full one: 1,100 us per claimed row instead of 26. */
const PLANS = {
  made: { plan_cache_mode: "force_custom_plan" },
  kept: PLANNING,
  chosen: { plan_cache_mode: "auto" },
} as const;
/** Many times what a batch takes, and how long a connection that died silently (half-open) goes unnoticed. */
const QUERY_TIMEOUT_MS = 30_000;

/** As long as a connection may take to open. */
const CONNECT_MS = 10_000;

/** The server ends a statement this much later than we give it up. */
const GRACE_MS = 1_000;

/** Opens a pool, for `pools.ts` and for tests. Nothing is sent until the first query. */
export function connect(options: ConnectOptions): Database {
  const pool = new pg.Pool({
    Client: clientOf(options.databaseUrl),
    ...(options.ownSessions
      ? {
          ...sessionOptions(options.databaseUrl, {
            ...OWN_SESSION,
            ...PLANS[options.plans ?? "made"],
          }),
          ...(options.waitsForLocks === true ? {} : { lock_timeout: LOCK_TIMEOUT_MS }),
        }
      : { connectionString: options.databaseUrl }),
    max: options.maxConnections,
    application_name: "pg-autoembed",
    connectionTimeoutMillis: opensWithinMs(options.databaseUrl),
    query_timeout: options.queryTimeoutMs ?? QUERY_TIMEOUT_MS,
    keepAlive: true,
  });
  // The pool replaces a dead connection at the next query; without these handlers its error would end the process.
  pool.on("error", () => undefined);
  pool.on("connect", (client) => client.on("error", () => undefined));
  const { onNotice } = options;
  if (onNotice !== undefined)
    pool.on("connect", (client) =>
      client.on("notice", ({ message }) => {
        onNotice(message ?? "");
      }),
    );
  return new Kysely<DB>({ dialect: new PostgresDialect({ pool: asWeUseIt(pool, options) }) });
}

/** For a pool, that is also how long a caller waits for a connection that another one has: a short `connect_timeout` is the client's alone. */
function opensWithinMs(databaseUrl: string): number {
  const eachHostMs = connectTimeoutMs(databaseUrl);
  if (eachHostMs === undefined || eachHostMs === 0) return eachHostMs ?? CONNECT_MS;
  return Math.max(eachHostMs * addressesOf(plainConnectionString(databaseUrl)).length, CONNECT_MS);
}

/**
 * pg gives up on a query that is not answered in time and keeps its connection, on which every later query would wait
 * just as long: that connection is closed instead of going back to the pool.
 *
 * The statements of a batch are long: to parse them each time costs 6 us of Postgres a row, in batches of 128.
 */
function asWeUseIt(pool: pg.Pool, options: ConnectOptions): PostgresPool {
  const { ownSessions, queryTimeoutMs, onStarved, patienceMs = CONNECT_MS } = options;
  const patient = connectPatiently(pool, {
    patienceMs,
    onStarved,
    renewsPassword: passwordSource(options.databaseUrl) !== undefined,
  });
  const pinned = new WeakSet<pg.PoolClient>();
  const settings = pinSession((queryTimeoutMs ?? QUERY_TIMEOUT_MS) + GRACE_MS, options.isReadOnly);
  const pin = async (client: pg.PoolClient): Promise<void> => {
    const { rowCount } = await client.query(settings.ifOwn);
    if (rowCount !== 0) return;
    // Something in between has dropped our settings. Another client's statements must not run under them.
    if (await sharesSessions(options.databaseUrl)) throw sessionsAreShared();
    await client.query(settings.always);
  };
  const names = new Map<string, string>();
  const keptBy = new WeakMap<pg.PoolClient, Set<string>>();
  const nameOf = (text: string): string => {
    const name = names.get(text) ?? `embed_${names.size + 1}`;
    names.set(text, name);
    return name;
  };
  return {
    connect: async () => {
      const client = await patient.connect().catch(withoutConnection);
      if (ownSessions && !pinned.has(client)) {
        try {
          await pin(client);
          pinned.add(client);
        } catch (error) {
          client.release(true);
          withoutConnection(error);
        }
      }
      const kept = keptBy.get(client) ?? new Set();
      keptBy.set(client, kept);
      const isKept = (text: string): boolean => {
        if (!ownSessions || !text.startsWith(PREPARED)) return false;
        if (kept.size < MOST_KEPT) kept.add(text);
        return kept.has(text);
      };
      let useless = false;
      const query = async (text: string, values: unknown[]): Promise<unknown> => {
        try {
          return await client.query(isKept(text) ? { name: nameOf(text), text, values } : { text, values });
        } catch (error) {
          useless ||=
            isUnanswered(error) ||
            isOfSharedSession(error) ||
            (options.seeksPrimary === true && isReadOnly(error));
          throw error;
        }
      };
      const release = (): void => {
        client.release(useless || patient.hasTooMany());
      };
      return { query, release } as PostgresPoolClient;
    },
    end: patient.end,
  };
}

function withoutConnection(error: unknown): never {
  throw error instanceof SetupError ? new NoConnection(error) : error;
}
