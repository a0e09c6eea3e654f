import { setTimeout as delay } from "node:timers/promises";
import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { vectorIndexes } from "../search/vector-index.ts";
import { vectorTableOf } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";

const LOOK_MS = 500;
/** Of an advisory lock, beside the source's id: two concurrent builds on one table would deadlock. */
const BUILDING = 0x65_6d_62_69;

/**
 * Gives the new column an index like the old column's first, concurrently: writers and searches go on. An index that a
 * killed process left half built is dropped and built anew; one that is still being built, by another process or by a
 * server that has not noticed that its client is gone, is waited for. Interrupted, the build is cancelled.
 * @returns the method of the index, or null where the old column has none, or the table is partitioned.
 */
export async function buildIndex(
  db: Database,
  live: Source,
  next: Source,
  signal: AbortSignal,
): Promise<string | null> {
  const model = (await vectorIndexes(db, live)).find(({ valid }) => valid);
  if (model === undefined || (await isPartitioned(db, live))) return null;
  if (await isThere(db, next, signal)) return model.method;
  const distance = /\b(?:vector|halfvec)_(\w+)_ops\b/.exec(model.definition)?.[1] ?? "cosine";
  const operators = sql.raw(`${next.vectorType}_${distance}_ops`);
  // Such as `WITH (m='32', ef_construction='128')`, or the lists of an ivfflat.
  const options = /\bWITH \([^()]*\)/.exec(model.definition)?.[0] ?? "";
  await db.connection().execute(async (builder) => {
    // It waits for whoever was there before it, however long they take.
    const { rows } = await sql<{ pid: number }>`
      select pg_backend_pid() as pid, set_config('lock_timeout', '0', false), set_config('statement_timeout', '0', false)`.execute(
      builder,
    );
    const cancel = (): void => {
      sql`select pg_cancel_backend(${rows[0]?.pid})`.execute(db).catch(() => undefined);
    };
    signal.addEventListener("abort", cancel);
    try {
      // Asked for again and again: who waits in a statement has a snapshot, which the other's build would wait for.
      while (!(await tryLock(builder, next))) await delay(LOOK_MS, undefined, { signal });
      if (await isThere(db, next, signal)) return;
      await sql`create index concurrently on ${vectorTableOf(next)}
        using ${sql.raw(model.method)} (${sql.id(next.vectorColumn)} ${operators}) ${sql.raw(options)}`.execute(
        builder,
      );
    } finally {
      signal.removeEventListener("abort", cancel);
      await sql`select pg_advisory_unlock_all()`.execute(builder).catch(() => undefined);
    }
  });
  signal.throwIfAborted();
  return model.method;
}

/** Whether a valid index is there; drops those that never will be. */
async function isThere(db: Database, next: Source, signal: AbortSignal): Promise<boolean> {
  for (;;) {
    signal.throwIfAborted();
    const present = await vectorIndexes(db, next);
    if (present.some(({ valid }) => valid)) return true;
    const [{ name } = { name: undefined }] = present;
    if (name === undefined) return false;
    if (await isBeingBuilt(db, name)) await delay(LOOK_MS, undefined, { signal });
    else await sql`drop index concurrently if exists ${sql.raw(name)}`.execute(db);
  }
}

async function isBeingBuilt(db: Database, index: string): Promise<boolean> {
  const { rows } = await sql`
    select from pg_stat_progress_create_index where index_relid = to_regclass(${index})`.execute(db);
  return rows.length > 0;
}

async function tryLock(builder: Database, { id }: Source): Promise<boolean> {
  const { rows } = await sql<{ locked: boolean }>`
    select pg_try_advisory_lock(${BUILDING}::int, ${id}::int) as locked`.execute(builder);
  return rows[0]?.locked === true;
}

async function isPartitioned(db: Database, source: Source): Promise<boolean> {
  const { schema, table } = source.vectorTable ?? source;
  const { rows } = await sql<{ partitioned: boolean }>`
    select c.relkind = 'p' as partitioned from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = ${schema} and c.relname = ${table}`.execute(db);
  return rows[0]?.partitioned === true;
}
