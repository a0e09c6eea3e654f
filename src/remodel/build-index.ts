import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { vectorTableOf } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";

interface VectorIndex {
  readonly schema: string;
  readonly name: string;
  readonly method: string;
  /** `l2`, `ip`, `cosine`, …: what the operator class measures. */
  readonly distance: string;
  readonly valid: boolean;
}

/**
 * Gives the new column an index like the old column's first, concurrently: writers and searches go on. An index that a
 * killed process left half built is dropped and built anew.
 * @returns the method of the index, or null where the old column has none, or the table is partitioned.
 */
export async function buildIndex(db: Database, live: Source, next: Source): Promise<string | null> {
  const [model] = (await vectorIndexes(db, live)).filter(({ valid }) => valid);
  if (model === undefined || (await isPartitioned(db, live))) return null;
  const present = await vectorIndexes(db, next);
  for (const { schema, name, valid } of present) {
    if (!valid) await sql`drop index concurrently ${sql.id(schema, name)}`.execute(db);
  }
  if (present.some(({ valid }) => valid)) return model.method;
  const operators = sql.raw(`${next.vectorType}_${model.distance}_ops`);
  await sql`create index concurrently on ${vectorTableOf(next)}
    using ${sql.raw(model.method)} (${sql.id(next.vectorColumn)} ${operators})`.execute(db);
  return model.method;
}

async function vectorIndexes(db: Database, source: Source): Promise<VectorIndex[]> {
  const { schema, table } = source.target ?? source;
  const { rows } = await sql<VectorIndex>`
    select n.nspname as schema, i.relname as name, m.amname as method, x.indisvalid as valid,
      (regexp_match(o.opcname, '^(?:vector|halfvec)_(\\w+)_ops$'))[1] as distance
    from pg_index x
    join pg_class t on t.oid = x.indrelid join pg_namespace tn on tn.oid = t.relnamespace
    join pg_class i on i.oid = x.indexrelid join pg_namespace n on n.oid = i.relnamespace
    join pg_am m on m.oid = i.relam
    join pg_opclass o on o.oid = x.indclass[0]
    join pg_attribute a on a.attrelid = t.oid and a.attnum = x.indkey[0]
    where tn.nspname = ${schema} and t.relname = ${table} and a.attname = ${source.vectorColumn}
      and m.amname in ('hnsw', 'ivfflat') and x.indnatts = 1 and x.indpred is null
    order by m.amname, x.indexrelid`.execute(db);
  return rows;
}

async function isPartitioned(db: Database, source: Source): Promise<boolean> {
  const { schema, table } = source.target ?? source;
  const { rows } = await sql<{ partitioned: boolean }>`
    select c.relkind = 'p' as partitioned from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = ${schema} and c.relname = ${table}`.execute(db);
  return rows[0]?.partitioned === true;
}
