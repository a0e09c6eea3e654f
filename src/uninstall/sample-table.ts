import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { vectorSize } from "../watch/vector-column.ts";
import { dependentsOn, type Dropped } from "./foreign-dependents.ts";

/** `public.patient_embeddings`, as the migrations make it: with the same columns, types and comments. */
export interface SampleTable {
  readonly oid: string;
  readonly hasRows: boolean;
  /** On disk, with indexes. */
  readonly bytes: number;
  /** Of its vectors, estimated. */
  readonly vectorBytes: number;
  /** What uses the table, as Postgres describes it. */
  readonly usedBy: readonly string[];
  /** The type of its vectors, qualified: `public.vector(512)`. */
  readonly vectorType: string;
  readonly vectorComment: string;
}

/** The table that the first migration made, where this role may drop it; null where it is another one, or gone. */
export async function findSampleTable(db: Database): Promise<SampleTable | null> {
  const { rows } = await sql<Omit<SampleTable, "hasRows" | "usedBy" | "vectorBytes"> & Sized>`
    select c.oid::text, pg_total_relation_size(c.oid)::float8 as bytes, greatest(c.reltuples, 0)::float8 as rows,
      nullif(v.atttypmod, -1) as dimensions, format_type(v.atttypid, v.atttypmod) as "vectorType",
      col_description(c.oid, v.attnum) as "vectorComment"
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute v on v.attrelid = c.oid and v.attname = 'embedding'
    where n.nspname = 'public' and c.relname = 'patient_embeddings' and c.relkind = 'r'
      and not c.relforcerowsecurity and pg_has_role(c.relowner, 'usage')
      and obj_description(c.oid, 'pg_class') like 'Clinical context by patient%'
      and col_description(c.oid, v.attnum) like 'The vector of context_text%'
      and (select array_agg(a.attname || ' ' || y.typname order by a.attname)
        from pg_attribute a join pg_type y on y.oid = a.atttypid
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped)
        = array['context_text text', 'embedding vector', 'patient_id int8']`.execute(db);
  const [found] = rows;
  if (found === undefined) return null;
  const { rows: count, dimensions, ...table } = found;
  return {
    ...table,
    hasRows: await hasRows(db),
    vectorBytes: count * vectorSize("vector", dimensions),
    usedBy: await dependentsOn(db, [{ oid: found.oid, column: null }]),
  };
}

interface Sized {
  readonly rows: number;
  readonly dimensions: number | null;
}

async function hasRows(db: Database): Promise<boolean> {
  const { rows } = await sql`select from public.patient_embeddings limit 1`.execute(db);
  return rows.length > 0;
}

/** The migrations' own table is dropped where nobody has put a row into it or built on it. */
export function isUnused({ hasRows, usedBy }: SampleTable): boolean {
  return !hasRows && usedBy.length === 0;
}

/** The column of its vectors, which gives way to an empty one. */
export function sampleColumn({ oid }: SampleTable): Dropped {
  return { oid, column: "embedding" };
}

/** Removes all vectors and keeps the rows: the column stays, empty, since a later migration expects it. */
export async function emptySampleColumn(
  transaction: Database,
  { vectorType, vectorComment }: SampleTable,
): Promise<void> {
  await sql`alter table public.patient_embeddings drop column embedding, add column embedding ${sql.raw(vectorType)}`.execute(
    transaction,
  );
  await sql`comment on column public.patient_embeddings.embedding is ${sql.lit(vectorComment)}`.execute(
    transaction,
  );
}

/** Drops it unless somebody has put a row into it meanwhile. Part of a transaction. */
export async function dropSampleTable(transaction: Database): Promise<void> {
  await sql`lock table public.patient_embeddings in access exclusive mode`.execute(transaction);
  if (await hasRows(transaction)) return;
  await sql`drop table public.patient_embeddings`.execute(transaction);
}
