import { sql } from "kysely";
import pg from "pg";
import { setTimeout as delay } from "node:timers/promises";
import type { Database } from "./connect.ts";
import { SetupError } from "../errors.ts";
import type { TableName } from "./identifier.ts";

/** How long a statement waits in the lock queue, where every writer that comes after it waits behind it. */
const LOCK_WAIT_MS = 500;
/** The same for a second table's, with the first in hand: a user who has them the other way round waits for us. */
const SECOND_LOCK_WAIT_MS = 50;
/**
 * How long the locks outlive this process between two statements, were it stopped or cut off: the server ends the
 * session then. The embedded Postgres, which has one session for all and spins on such a limit, is spared.
 */
const SILENCE_MS = 1_000;
const PATIENCE_MS = 120_000;
const LOCK_NOT_AVAILABLE = "55P03";
const DEADLOCK = "40P01";

/**
 * Runs a short transaction that needs a strong lock on a table in use. It gives way after half a second and tries
 * again, so that nobody queues behind it for longer; and it is ended by the server when nothing is heard of it.
 * @throws {SetupError} when the lock could not be had in two minutes.
 */
export async function withTableLock<T>(
  db: Database,
  work: (transaction: Database) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  for (let pause = 50; ; pause = Math.min(2 * pause, 2_000)) {
    try {
      return await db.transaction().execute(async (transaction) => {
        await sql`
          select set_config('lock_timeout', ${`${LOCK_WAIT_MS}ms`}, true),
            case when version() !~* 'emscripten'
              then set_config('idle_in_transaction_session_timeout', ${`${SILENCE_MS}ms`}, true) end`.execute(
          transaction,
        );
        return await work(transaction);
      });
    } catch (error) {
      const code = error instanceof pg.DatabaseError ? error.code : undefined;
      if (code !== LOCK_NOT_AVAILABLE && code !== DEADLOCK) throw error;
      if (performance.now() > deadline) {
        throw new SetupError(
          "A long transaction holds the table, and none can have the lock that this needs.",
          "Look for it in pg_stat_activity; when it has ended, run this again.",
          { cause: error },
        );
      }
      await delay(pause * (0.5 + Math.random()), undefined, signal === undefined ? {} : { signal });
    }
  }
}

/**
 * Locks the watched table before anything is done to that of its vectors: a user's delete holds it when it comes down to
 * those. A user who reads the vectors first, and then writes to the watched table, is met in the middle: we soon give way.
 */
export async function lockWatchedTableFirst(
  transaction: Database,
  { schema, table }: TableName,
  mode: "share row exclusive" | "access exclusive",
): Promise<void> {
  await sql`lock table ${sql.id(schema, table)} in ${sql.raw(mode)} mode`.execute(transaction);
  await sql`select set_config('lock_timeout', ${`${SECOND_LOCK_WAIT_MS}ms`}, true)`.execute(transaction);
}
