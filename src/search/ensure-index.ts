import { setTimeout as delay } from "node:timers/promises";
import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { withTableLock } from "../database/with-table-lock.ts";
import { describeMemory } from "./build-memory.ts";
import { withBuilder, type Build, type BuildOptions } from "./index-builder.ts";
import {
  indexesOn,
  isAlike,
  qualifiedName,
  type IndexShape,
  type VectorIndex,
  type WantedIndex,
} from "./vector-index.ts";

interface Work extends Pick<BuildOptions, "memory" | "onProgress" | "signal"> {
  readonly db: Database;
  readonly build: Build;
}

const POLL_MS = 500;

/**
 * Makes sure that a table has an index, without blocking readers or writers. A valid index is kept. One that a killed
 * process left half built is dropped and built again. One that is still being built, by another process or by a server
 * that has not noticed that its client is gone, is waited for. So it can be called again after any interruption.
 * @returns the index's name, with its schema, quoted.
 */
export async function ensureIndex(wanted: WantedIndex, options: BuildOptions): Promise<string> {
  return await withBuilder(wanted.table, options, async (db, build) => {
    const { name } = await ensure({ ...options, db, build }, wanted, null);
    return name;
  });
}

async function ensure(work: Work, wanted: WantedIndex, whole: string | null): Promise<VectorIndex> {
  const index = (await isPartitioned(work.db, wanted.table))
    ? await onPartitions(work, wanted, whole)
    : await onTable(work, wanted, whole);
  if (whole !== null && index.partOf === null) {
    await withTableLock(
      work.db,
      (transaction) => sql.raw(`alter index ${whole} attach partition ${index.name}`).execute(transaction),
      work.signal,
    );
  }
  return index;
}

/**
 * Postgres cannot build an index on a partitioned table concurrently. So the table first gets an empty, invalid index;
 * then each partition's index is built and attached to it, and with the last one it becomes valid. A partition that is
 * created after the first step gets its index from Postgres.
 */
async function onPartitions(work: Work, wanted: WantedIndex, whole: string | null): Promise<VectorIndex> {
  const { db, signal } = work;
  const { shape, table } = wanted;
  const present = await alike(db, wanted, whole);
  const valid = present.find((index) => index.valid);
  if (valid !== undefined) return valid;
  const index =
    present[0] ??
    (await made(db, wanted, () =>
      withTableLock(
        db,
        (transaction) => sql.raw(`create index on only ${table} ${definition(shape)}`).execute(transaction),
        signal,
      ),
    ));
  const { rows } = await sql<{ partition: string }>`
    select ${qualifiedName(sql`inhrelid`)} as partition from pg_inherits where inhparent = ${table}::regclass order by inhrelid`.execute(
    db,
  );
  for (const { partition } of rows) await ensure(work, { ...wanted, table: partition }, index.name);
  return index;
}

async function onTable(work: Work, wanted: WantedIndex, whole: string | null): Promise<VectorIndex> {
  const { db, build, memory, onProgress, signal } = work;
  for (;;) {
    const valid = (await alike(db, wanted, whole)).find((index) => index.valid);
    if (valid !== undefined) return valid;
    const index = (await on(db, wanted)).find((other) => !other.valid && other.partOf === null);
    if (index === undefined) {
      if (wanted.shape.method === "hnsw") onProgress(await describeMemory(db, wanted, memory));
      const statement = `create index concurrently on ${wanted.table} ${definition(wanted.shape)}`;
      return await made(db, wanted, () => build(statement));
    }
    if (await isBeingBuilt(db, index.name)) {
      await delay(POLL_MS, undefined, { signal });
    } else {
      onProgress(`dropping ${index.name}, which an interrupted build left behind`);
      await build(`drop index concurrently if exists ${index.name}`);
    }
  }
}

/** Indexes on the table with the wanted shape, valid or not: standing alone, or attached to `whole`. */
async function alike(db: Database, wanted: WantedIndex, whole: string | null): Promise<VectorIndex[]> {
  const present = await on(db, wanted);
  return present.filter(
    (index) => isAlike(index, wanted.shape) && (index.partOf === null || index.partOf === whole),
  );
}

/** The index that `work` makes. Postgres chooses its name. */
async function made(db: Database, wanted: WantedIndex, work: () => Promise<unknown>): Promise<VectorIndex> {
  const before = await on(db, wanted);
  await work();
  const now = await on(db, wanted);
  const index = now.find(({ name }) => !before.some((other) => other.name === name));
  if (index === undefined)
    throw new Error(`the index on ${wanted.table} was dropped right after it was built`);
  return index;
}

async function on(db: Database, { table, column }: WantedIndex): Promise<VectorIndex[]> {
  return await indexesOn(db, sql`(select ${table}::regclass)`, column);
}

function definition({ method, expression, operators, storage, predicate }: IndexShape): string {
  const where = predicate === null ? "" : `where ${predicate}`;
  return `using ${method} (${expression} ${operators}) ${storage} ${where}`;
}

async function isPartitioned(db: Database, table: string): Promise<boolean> {
  const { rows } = await sql`select from pg_class where oid = ${table}::regclass and relkind = 'p'`.execute(
    db,
  );
  return rows.length > 0;
}

async function isBeingBuilt(db: Database, index: string): Promise<boolean> {
  const { rows } = await sql`
    select from pg_stat_progress_create_index where index_relid = to_regclass(${index})`.execute(db);
  return rows.length > 0;
}
