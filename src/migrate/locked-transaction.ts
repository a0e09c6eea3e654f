import { setTimeout as delay } from "node:timers/promises";
import pg, { type ClientBase } from "pg";
import { SetupError } from "../errors.ts";
import { DEADLOCK_DETECTED, LOCK_NOT_AVAILABLE } from "../sqlstate.ts";

/** How long one deploy waits for another that is migrating the same database, and for a lock that a user holds. */
const PATIENCE_MS = 120_000;
/** How long a statement waits in the lock queue of a table, where every writer that comes after it waits behind it. */
const LOCK_WAIT_MS = 500;
/** Any number, always the same: "autoembd" in ASCII. */
const LOCK_KEY = BigInt(`0x${Buffer.from("autoembd").toString("hex")}`);
/** Whatever the role's or the database's defaults are: both can be said before the first query only. */
const BEGIN = "begin isolation level read committed read write; set local statement_timeout = 0";

/**
 * Runs a transaction that no other deploy runs at the same time. Where another has the lock, or a user has a table that
 * it needs, it is undone and run again, for two minutes.
 *
 * The lock ends with the transaction: a pooler may give the next one another session. The embedded Postgres grants it to
 * everybody, and runs one transaction at a time.
 * @throws {SetupError} when the lock could not be had.
 */
export async function lockedTransaction<T>(client: ClientBase, work: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    await client.query(BEGIN);
    try {
      const { rows } = await client.query<{ locked: boolean }>(
        `select pg_try_advisory_xact_lock($1) as locked, set_config('lock_timeout', $2, true), (
           select count(set_config(name, '0', true)) from pg_catalog.pg_settings
           where name in ('idle_in_transaction_session_timeout', 'transaction_timeout')) as unlimited`,
        [String(LOCK_KEY), `${LOCK_WAIT_MS}ms`],
      );
      if (rows[0]?.locked === true) {
        const result = await work();
        await client.query("commit");
        return result;
      }
      await client.query("rollback");
      if (performance.now() > deadline) throw busy("Another deploy is migrating this database");
    } catch (error) {
      await client.query("rollback").catch(() => undefined);
      const code = error instanceof pg.DatabaseError ? error.code : undefined;
      if (code !== LOCK_NOT_AVAILABLE && code !== DEADLOCK_DETECTED) throw error;
      if (performance.now() > deadline)
        throw busy("A long transaction holds a table that has to be changed", error);
    }
    await delay(250 + Math.random() * 250);
  }
}

function busy(what: string, cause?: unknown): SetupError {
  return new SetupError(
    `${what}, and has not ended in two minutes.`,
    "Look for it in pg_stat_activity; when it has ended, run this again.",
    { cause },
  );
}
