import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { quote } from "../database/identifier.ts";
import type { WantedIndex } from "./vector-index.ts";

/** An amount that `maintenance_work_mem` accepts. */
export const MEMORY = /^\d{1,9}(kB|MB|GB|TB)$/;

const MB = 1024 * 1024;
/** Neighbours of a vector in pgvector's graph, unless the index says otherwise. */
const USUAL_M = 16;
/** Bytes in memory per vector: two times m neighbours of 16 bytes, and the rest, as measured with pgvector 0.8.0. */
const PER_NEIGHBOUR = 32;
const PER_VECTOR = 196;
/** A little more than is estimated. */
const MARGIN = 1.1;

/**
 * In one sentence or two, the memory that the build of an HNSW index wants, what it gets, and what to do if that is less.
 * @param memory `maintenance_work_mem` of the build, such as `2GB`; undefined for that of the session
 */
export async function describeMemory(
  db: Database,
  wanted: WantedIndex,
  memory: string | undefined,
): Promise<string> {
  const { vectors, bytes, given, workers } = await measure(db, wanted, memory);
  const m = Number(/\bm = '(\d+)'/.exec(wanted.shape.storage)?.[1] ?? USUAL_M);
  const needed = vectors * (bytes + PER_NEIGHBOUR * m + PER_VECTOR);
  const said =
    `${wanted.table}: the graph of about ${vectors} vectors takes about ${inMb(needed)}; ` +
    `maintenance_work_mem is ${inMb(given)}, with up to ${workers} parallel workers (max_parallel_maintenance_workers).`;
  if (needed <= given) return said;
  const enough = inMb(needed * MARGIN);
  return `${said} It does not fit, and the build is several times slower: give it ${enough} (--memory ${enough}), if the server has as much to spare.`;
}

function inMb(bytes: number): string {
  return `${Math.ceil(bytes / MB)}MB`;
}

interface Measured {
  readonly vectors: number;
  /** Of one vector, as the index has it. */
  readonly bytes: number;
  readonly given: number;
  readonly workers: number;
}

async function measure(
  db: Database,
  { table, column, shape }: WantedIndex,
  memory: string | undefined,
): Promise<Measured> {
  const where = sql.raw(
    `${quote(column)} is not null ${shape.predicate === null ? "" : `and (${shape.predicate})`}`,
  );
  const from = sql.raw(table);
  // As the planner estimates rows; a table that was never analyzed is counted.
  const { rows } = await sql<Measured>`
    select coalesce(
        (select nullif(greatest(c.reltuples, 0), 0) / nullif(c.relpages, 0)
            * (pg_relation_size(c.oid) / current_setting('block_size')::int)
          from pg_class c where c.oid = ${table}::regclass)::int8,
        (select count(*) from ${from} where ${where}))::float8 as vectors,
      coalesce((select pg_column_size(v) from (select ${sql.raw(shape.expression)} as v from ${from} where ${where} limit 1) t), 0)
        as bytes,
      pg_size_bytes(coalesce(${memory ?? null}, current_setting('maintenance_work_mem')))::float8 as given,
      current_setting('max_parallel_maintenance_workers')::int as workers`.execute(db);
  return rows[0] ?? { vectors: 0, bytes: 0, given: 0, workers: 0 };
}
