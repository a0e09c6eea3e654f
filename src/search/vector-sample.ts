import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { isDatabaseError } from "../database/database-fault.ts";
import { SetupError, UsageError } from "../errors.ts";
import { distance, vectorType } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import { dimensionsOf } from "./comparable.ts";
import { regclassOf } from "./vector-index.ts";
import { INSUFFICIENT_PRIVILEGE } from "../sqlstate.ts";

export interface Sample {
  readonly taken: number;
  /** In the whole table, as the planner estimates, and no fewer than were taken. */
  readonly vectors: number;
}

/** With fewer, a question takes a millisecond without an index. */
const LEAST = 1_000;
/** More blocks are read than hold so many rows, since some rows have no vector. */
const MARGIN = 2;

/**
 * Copies some of a source's vectors into `pg_temp.sample (id, vector)`, `id` from 1. They are of random blocks of the table.
 * @param session a connection, whose end drops the sample
 * @throws {UsageError} if there are too few; {SetupError} if the role may make no temporary table
 */
export async function takeSample(session: Database, source: Source, most: number): Promise<Sample> {
  const rows = await estimatedRows(session, source);
  await createTable(session, source);
  const share = Math.min(100, (100 * MARGIN * most) / Math.max(1, rows));
  let taken = await fill(session, source, most, share);
  // Few rows have a vector, or the estimate is old.
  if (taken < most && share < 100) taken = await fill(session, source, most, 100);
  if (taken < LEAST)
    throw new UsageError(
      `${source.name} has ${taken} vectors; measuring takes ${LEAST} or more.`,
      "With so few, a search needs no index.",
    );
  return { taken, vectors: Math.max(taken, rows) };
}

async function estimatedRows(session: Database, source: Source): Promise<number> {
  const table = regclassOf(source);
  const { rows } = await sql<{ rows: number }>`
    select coalesce(sum(greatest(c.reltuples, 0)), 0)::float8 as rows from pg_class c
    where c.relkind = 'r' and (c.oid = ${table} or c.oid in (select p.relid from pg_partition_tree(${table}) p))`.execute(
    session,
  );
  return rows[0]?.rows ?? 0;
}

async function createTable(session: Database, source: Source): Promise<void> {
  const type = sql`${vectorType(source)}(${sql.lit(dimensionsOf(source) ?? 0)})`;
  try {
    await sql`create temporary table sample (id integer primary key, vector ${type})`.execute(session);
  } catch (error) {
    if (!isDatabaseError(error) || error.code !== INSUFFICIENT_PRIVILEGE) throw error;
    throw new SetupError(
      "The role may not make the temporary table that measuring takes.",
      "As the database's owner: grant temporary on database … to …;",
      { cause: error },
    );
  }
}

/** @param share the percentage of the table's blocks that are read @returns how many vectors there were */
async function fill(session: Database, source: Source, most: number, share: number): Promise<number> {
  const { schema, table } = source.vectorTable ?? source;
  const vector = sql.id("t", source.vectorColumn);
  // A vector of zeros has no direction; another length is of another model.
  await sql`truncate pg_temp.sample`.execute(session);
  const { numAffectedRows } = await sql`
    insert into pg_temp.sample
    select row_number() over (), s.vector from (
      select ${vector} as vector from ${sql.id(schema, table)} t tablesample system (${share})
      where ${vector} is not null and ${sql.id(source.vectorSchema, "vector_dims")}(${vector}) = ${dimensionsOf(source)}
        and ${distance(source, vector, vector)} is distinct from 'NaN'
      limit ${most}) s`.execute(session);
  await sql`analyze pg_temp.sample`.execute(session);
  return Number(numAffectedRows ?? 0);
}
