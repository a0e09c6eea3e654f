import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { vectorIndexes } from "../search/vector-index.ts";
import { vectorTableOf } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";

/**
 * Gives the new column an index like the old column's first, concurrently: writers and searches go on. An index that a
 * killed process left half built is dropped and built anew.
 * @returns the method of the index, or null where the old column has none, or the table is partitioned.
 */
export async function buildIndex(db: Database, live: Source, next: Source): Promise<string | null> {
  const model = (await vectorIndexes(db, live)).find(({ valid }) => valid);
  if (model === undefined || (await isPartitioned(db, live))) return null;
  const present = await vectorIndexes(db, next);
  for (const { name, valid } of present) {
    if (!valid) await sql`drop index concurrently ${sql.raw(name)}`.execute(db);
  }
  if (present.some(({ valid }) => valid)) return model.method;
  const distance = /\b(?:vector|halfvec)_(\w+)_ops\b/.exec(model.definition)?.[1] ?? "cosine";
  const operators = sql.raw(`${next.vectorType}_${distance}_ops`);
  await sql`create index concurrently on ${vectorTableOf(next)}
    using ${sql.raw(model.method)} (${sql.id(next.vectorColumn)} ${operators})`.execute(db);
  return model.method;
}

async function isPartitioned(db: Database, source: Source): Promise<boolean> {
  const { schema, table } = source.vectorTable ?? source;
  const { rows } = await sql<{ partitioned: boolean }>`
    select c.relkind = 'p' as partitioned from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = ${schema} and c.relname = ${table}`.execute(db);
  return rows[0]?.partitioned === true;
}
