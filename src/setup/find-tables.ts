import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { neverNull } from "../database/never-null.ts";
import type { TableName } from "../database/identifier.ts";

/** A table that may be watched. */
export interface Candidate extends TableName {
  readonly oid: string;
  /** The columns that tell its rows apart: of the primary key, or of a unique index; null where there are none. */
  readonly key: readonly string[] | null;
  readonly has_primary_key: boolean;
  /** As Postgres has counted last; null where it never did. */
  readonly rows: number | null;
}

export interface TextColumn {
  readonly name: string;
  /** Of the first rows: how many have a text, and its length in characters. */
  readonly texts: number;
  readonly average: number;
  readonly longest: number;
}

/** Rows whose texts are measured. */
const SAMPLE = 1_000;

/** The user's tables, those without a key included. The database need not be migrated. */
export async function findCandidates(db: Database): Promise<readonly Candidate[]> {
  const { rows } = await sql<Candidate>`
    select c.oid::text, n.nspname as schema, c.relname as table, nullif(c.reltuples, -1)::float8 as rows,
      i.indisprimary is true as has_primary_key,
      (select array_agg(a.attname::text order by array_position(i.key, a.attnum)) from pg_attribute a
        where a.attrelid = c.oid and a.attnum = any(i.key)) as key
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    left join lateral (
      select k.key, x.indisprimary from pg_index x cross join lateral (
        -- Without the columns that the index only includes.
        select (x.indkey::int2[])[0:x.indnkeyatts - 1] as key) k
      where x.indrelid = c.oid and x.indisunique and x.indisvalid and x.indimmediate and x.indpred is null
        and x.indexprs is null and not exists (
          select from pg_attribute a where a.attrelid = c.oid and a.attnum = any(k.key) and not ${neverNull("a")})
      order by x.indisprimary desc, x.indnkeyatts, x.indexrelid limit 1
    ) i on true
    where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence <> 't'
      and n.nspname not in ('information_schema', 'autoembed') and n.nspname !~ '^pg_'
      and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')
    order by n.nspname, c.relname`.execute(db);
  return rows;
}

/** The columns of a table that hold text, with the lengths of some texts. No text leaves the database. */
export async function findTextColumns(
  db: Database,
  { oid, schema, table }: Candidate,
): Promise<TextColumn[]> {
  const { rows } = await sql<{ name: string }>`
    select a.attname::text as name from pg_attribute a join pg_type y on y.oid = a.atttypid
    where a.attrelid = ${oid}::oid and a.attnum > 0 and not a.attisdropped and y.typcategory = 'S'
    order by a.attnum`.execute(db);
  const columns: TextColumn[] = [];
  for (const { name } of rows) {
    const measured = await sql<Omit<TextColumn, "name">>`
      select count(length)::float8 as texts, coalesce(avg(length), 0)::float8 as average,
        coalesce(max(length), 0)::float8 as longest
      from (select char_length(${sql.id(name)}::text) as length from ${sql.id(schema, table)} limit ${SAMPLE}) t`.execute(
      db,
    );
    columns.push({ name, ...(measured.rows[0] ?? { texts: 0, average: 0, longest: 0 }) });
  }
  return columns;
}

/** The tables that sources have already: watched, or full of vectors. Empty where the database is not migrated. */
export async function takenTables(db: Database): Promise<ReadonlySet<string>> {
  const { rows: installed } = await sql<{ is_there: boolean }>`
    select to_regclass('autoembed.embedding_source') is not null as is_there`.execute(db);
  if (installed[0]?.is_there !== true) return new Set();
  const { rows } = await sql<{ oid: string }>`
    select unnest(array[watched_table, vector_table])::oid::text as oid from autoembed.embedding_source`.execute(
    db,
  );
  return new Set(rows.map(({ oid }) => oid));
}
