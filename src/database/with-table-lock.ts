import { sql } from "kysely";
import pg from "pg";
import { setTimeout as delay } from "node:timers/promises";
import type { Database } from "./connect.ts";
import { SetupError } from "../errors.ts";
import type { TableName } from "./identifier.ts";
import { IS_EMBEDDED } from "./session-settings.ts";
import { DEADLOCK_DETECTED, LOCK_NOT_AVAILABLE } from "../sqlstate.ts";

/** How long a statement waits in the lock queue, where every later writer waits behind it. */
const LOCK_WAIT_MS = 500;
/** The same for a second table's lock: a user who holds it and wants the first table's lock is waiting for us. */
const SECOND_LOCK_WAIT_MS = 50;
/**
 * If this process is stopped or disconnected between two statements, the server ends the session, and with it the locks,
 * after this time. Not set on the embedded Postgres: it has one session for all, and would spin on such a limit.
 */
const IDLE_LIMIT_MS = 1_000;
const LONGEST_WAIT_MS = 120_000;

/**
 * Runs a short transaction that needs a strong lock on a table in use. After half a second without the lock it rolls
 * back and tries again, so that no user's statement queues behind it for longer. If this process falls silent, the server
 * ends the transaction.
 * @throws {SetupError} if the lock could not be obtained within two minutes.
 */
export async function withTableLock<T>(
  db: Database,
  work: (transaction: Database) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const deadline = performance.now() + LONGEST_WAIT_MS;
  for (let pause = 50; ; pause = Math.min(2 * pause, 2_000)) {
    try {
      return await db.transaction().execute(async (transaction) => {
        await sql`
          select set_config('lock_timeout', ${`${LOCK_WAIT_MS}ms`}, true),
            case when not (${sql.raw(IS_EMBEDDED)})
              then set_config('idle_in_transaction_session_timeout', ${`${IDLE_LIMIT_MS}ms`}, true) end`.execute(
          transaction,
        );
        return await work(transaction);
      });
    } catch (error) {
      const code = error instanceof pg.DatabaseError ? error.code : undefined;
      if (code !== LOCK_NOT_AVAILABLE && code !== DEADLOCK_DETECTED) throw error;
      if (performance.now() > deadline) {
        throw new SetupError(
          "A long transaction holds a lock on the table, so this could not get the lock that it needs.",
          "Find the transaction in pg_stat_activity. When it has ended, run this again.",
          { cause: error },
        );
      }
      await delay(pause * (0.5 + Math.random()), undefined, signal === undefined ? {} : { signal });
    }
  }
}

/**
 * Locks the watched table before the table of its vectors, in the order of a user's delete, which cascades from one to
 * the other. A user who first reads the vectors and then writes to the watched table locks them in the opposite order:
 * for that case we wait only briefly.
 */
export async function lockWatchedTableFirst(
  transaction: Database,
  { schema, table }: TableName,
  mode: "share row exclusive" | "access exclusive",
): Promise<void> {
  await sql`lock table ${sql.id(schema, table)} in ${sql.raw(mode)} mode`.execute(transaction);
  await sql`select set_config('lock_timeout', ${`${SECOND_LOCK_WAIT_MS}ms`}, true)`.execute(transaction);
}
