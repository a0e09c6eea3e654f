import { setTimeout as delay } from "node:timers/promises";
import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { openPool, type DatabaseUrls } from "../database/pools.ts";
import { adviceAt, explainedBuild } from "./build-advice.ts";

export interface BuildOptions {
  readonly database: DatabaseUrls;
  /** `maintenance_work_mem` for this build: a graph that fits into it is built several times faster. */
  readonly memory?: string | undefined;
  readonly onProgress: (line: string) => void;
  /** Cancels the build. */
  readonly signal: AbortSignal;
}

/** Runs a statement without a time limit, and reports its progress. */
export type Build = (statement: string) => Promise<void>;

const POLL_MS = 1_000;
/** The upper half of an advisory lock; the lower is the table's oid. Two concurrent builds on one table would deadlock. */
const BUILDING = 0x65_6d_62_69;

/**
 * Runs `work` with a session that builds indexes on a table, for one process at a time, and with a second connection
 * (`db`) for queries during a build.
 */
export async function withBuilder<T>(
  table: string,
  options: BuildOptions,
  work: (db: Database, build: Build, session: Database) => Promise<T>,
): Promise<T> {
  const { database, memory, onProgress, signal } = options;
  const onNotice = (message: string): void => {
    const advice = adviceAt(message);
    if (advice !== undefined) onProgress(advice);
  };
  const db = openPool("indexBuilder", database, { onNotice });
  try {
    return await db.connection().execute(async (session) => {
      // A build waits for every older transaction, however long it takes.
      const { rows } = await sql<{ pid: number }>`
        select pg_backend_pid() as pid, set_config('lock_timeout', '0', false), set_config('statement_timeout', '0', false),
          set_config('client_min_messages', 'notice', false),
          set_config('maintenance_work_mem', coalesce(${memory ?? null}, current_setting('maintenance_work_mem')), false)`.execute(
        session,
      );
      try {
        // Polled: a statement that waits for the lock holds a snapshot, which the other process's build would wait for.
        for (let tries = 0; !(await tryLock(session, table)); tries++) {
          if (tries === 0) onProgress(`waiting for another process that is building an index on ${table}`);
          await delay(POLL_MS, undefined, { signal });
        }
        return await work(
          db,
          (statement) => run(session, db, rows[0]?.pid ?? 0, statement, options),
          session,
        );
      } finally {
        await sql`select pg_advisory_unlock_all()`.execute(session).catch(() => undefined);
      }
    });
  } finally {
    await db.destroy();
  }
}

async function tryLock(session: Database, table: string): Promise<boolean> {
  const { rows } = await sql<{ locked: boolean }>`
    select pg_try_advisory_lock((${BUILDING}::int8 << 32) | ${table}::regclass::oid::int8) as locked`.execute(
    session,
  );
  return rows[0]?.locked === true;
}

async function run(
  session: Database,
  db: Database,
  pid: number,
  statement: string,
  { onProgress, signal }: BuildOptions,
): Promise<void> {
  signal.throwIfAborted();
  const cancel = (): void => {
    sql`select pg_cancel_backend(${pid})`.execute(db).catch(() => undefined);
  };
  signal.addEventListener("abort", cancel);
  const running = sql.raw(statement).execute(session);
  const ended = running.then(
    () => true,
    () => true,
  );
  try {
    let reported = "";
    while (!(await Promise.race([ended, delay(POLL_MS, false)]))) {
      if (signal.aborted) cancel();
      const line = await progressOf(db, pid);
      if (line !== null && line !== reported) onProgress(line);
      reported = line ?? reported;
    }
    await running;
  } catch (error) {
    signal.throwIfAborted();
    throw explainedBuild(error);
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}

async function progressOf(db: Database, pid: number): Promise<string | null> {
  const { rows } = await sql<{ line: string }>`
    select concat(relid::regclass, ': ', phase, to_char(100.0 * coalesce(nullif(tuples_done, 0)::float8 / nullif(tuples_total, 0),
      blocks_done::float8 / nullif(blocks_total, 0)), '" "FM990" %"')) as line
    from pg_stat_progress_create_index where pid = ${pid}`.execute(db);
  return rows[0]?.line ?? null;
}
