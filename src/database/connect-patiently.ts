import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { isOutOfConnections, isRefusedPassword } from "./database-fault.ts";

/** How long a pool that was refused a connection asks for no more than it has: each refusal is a line in the server's log. */
const SHARE_MS = 5_000;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;

interface Patience {
  /** How long a caller waits while the server has no free connection. */
  readonly patienceMs: number;
  /** Whether the next connection may have another password than one that was refused. */
  readonly renewsPassword?: boolean;
  /** Called when the pool has no connection and gets none, and when it has one again. */
  readonly onStarved?: ((isStarved: boolean) => void) | undefined;
}

interface PatientPool {
  readonly connect: () => Promise<pg.PoolClient>;
  /** Whether a client that is given back is to be closed: the pool has more than its share. */
  readonly hasTooMany: () => boolean;
  readonly end: () => Promise<void>;
}

interface Sharer {
  readonly pool: pg.Pool;
  /** For a while the pool keeps one connection. */
  readonly giveWay: () => void;
}

/** The open pools of this process: where one has no connection at all, the others to its database give up all but one. */
const sharers = new Set<Sharer>();

/**
 * Connections of a pool. Where the server, the database or the role has none left, the callers share those that the pool
 * has; if it has none, they wait until another pool has given one up.
 */
export function connectPatiently(
  pool: pg.Pool,
  { patienceMs, renewsPassword = false, onStarved = noop }: Patience,
): PatientPool {
  const most = pool.options.max;
  // `totalCount` has also those that are still connecting, and may be refused.
  let established = 0;
  pool.on("connect", () => (established += 1));
  pool.on("remove", () => (established -= 1));
  let sharing: NodeJS.Timeout | undefined;
  const keep = (connections: number): void => {
    clearTimeout(sharing);
    pool.options.max = connections;
    sharing = setTimeout(() => (pool.options.max = most), SHARE_MS).unref();
  };
  const giveWay = (): void => {
    keep(1);
    // What is idle is taken at once, and closed; what is at work is closed when it is given back.
    for (let spare = Math.min(pool.idleCount, established - 1); spare > 0; spare--) {
      pool.connect().then(
        (client) => {
          client.release(true);
        },
        () => undefined,
      );
    }
  };
  const sharer: Sharer = { pool, giveWay };
  sharers.add(sharer);
  const askOthers = (): void => {
    for (const other of sharers) {
      const isOfDatabase = other.pool.options.connectionString === pool.options.connectionString;
      if (other !== sharer && isOfDatabase) other.giveWay();
    }
  };
  const connect = async (): Promise<pg.PoolClient> => {
    const deadline = performance.now() + patienceMs;
    let mayRenew = renewsPassword;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      try {
        const client = await pool.connect();
        onStarved(false);
        return client;
      } catch (error) {
        if (mayRenew && isRefusedPassword(error)) {
          mayRenew = false;
          continue;
        }
        if (!isOutOfConnections(error)) throw error;
        if (established === 0) {
          onStarved(true);
          askOthers();
        }
        if (performance.now() > deadline) throw error;
      }
      keep(Math.max(1, established));
      if (established === 0) await delay(pauseMs * (0.5 + Math.random() / 2));
    }
  };
  const end = async (): Promise<void> => {
    sharers.delete(sharer);
    clearTimeout(sharing);
    await pool.end();
  };
  return { connect, hasTooMany: () => established > pool.options.max, end };
}

function noop(): void {
  // Not every pool's owner needs to know.
}
