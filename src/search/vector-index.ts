import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";
import type { Source } from "../sources/source.ts";

/** What makes an index what it is, as SQL. */
export interface IndexShape {
  readonly method: string;
  /** The column, or an expression over it in brackets. */
  readonly expression: string;
  /** The operator class, with its schema, such as `public.vector_cosine_ops`. */
  readonly operators: string;
  /** The rows that it has; null where it has all. */
  readonly predicate: string | null;
  /** `with (…)` and `tablespace …`, or nothing. */
  readonly storage: string;
}

export interface VectorIndex extends IndexShape {
  /** With its schema, quoted. */
  readonly name: string;
  /** The table that it is on: the source's, or a partition of that. With its schema, quoted. */
  readonly table: string;
  /** False while it is being built, and for ever when that was interrupted; of a partitioned table, while a partition lacks its own. */
  readonly valid: boolean;
  /** The index of the partitioned table that this one is a part of. */
  readonly partOf: string | null;
}

/**
 * Indexes of pgvector on a source's vector column, or on an expression over it. Those of partitions are listed where
 * they are not part of the table's own.
 */
export async function vectorIndexes(db: Database, source: Source): Promise<VectorIndex[]> {
  const table = regclassOf(source);
  const indexes = await indexesOn(
    db,
    sql`(select ${table} union select relid from pg_partition_tree(${table}))`,
    source.vectorColumn,
  );
  return indexes.filter(({ partOf }) => !indexes.some(({ name }) => name === partOf));
}

/** The indexes on a vector column of some tables, a subquery of `regclass`; a partition's and its table's alike. */
export async function indexesOn(
  db: Database,
  tables: RawBuilder<unknown>,
  column: string,
): Promise<VectorIndex[]> {
  const { rows } = await sql<VectorIndex>`
    select ${qualifiedName(sql`i.indexrelid`)} as name, ${qualifiedName(sql`i.indrelid`)} as table, i.indisvalid as valid,
      (select ${qualifiedName(sql`inhparent`)} from pg_inherits where inhrelid = i.indexrelid) as "partOf",
      m.amname as method, pg_get_indexdef(i.indexrelid, 1, true) as expression, o.opcnamespace::regnamespace || '.' || o.opcname as operators,
      pg_get_expr(i.indpred, i.indrelid) as predicate,
      concat_ws(' ', 'with (' || (
        select string_agg(format('%I = %L', split_part(r, '=', 1), substr(r, strpos(r, '=') + 1)), ', ')
        from unnest(c.reloptions) r) || ')',
        (select format('tablespace %I', spcname) from pg_tablespace where oid = c.reltablespace)) as storage
    from pg_index i
    join pg_class c on c.oid = i.indexrelid
    join pg_am m on m.oid = c.relam
    join pg_opclass o on o.oid = i.indclass[0]
    join pg_attribute a on a.attrelid = i.indrelid and a.attname = ${column}
    where i.indrelid in ${tables} and m.amname in ('hnsw', 'ivfflat')
      -- The predicate may name another vector's column.
      and (i.indkey[0] = a.attnum or i.indkey[0] = 0 and exists (
        select from pg_depend d where d.objid = i.indexrelid and d.refobjid = i.indrelid and d.refobjsubid = a.attnum))
    order by i.indexrelid`.execute(db);
  return rows;
}

/** A relation's name with its schema, quoted, whatever the session's search path. */
export function qualifiedName(oid: RawBuilder<unknown>): RawBuilder<string> {
  return sql`(select format('%I.%I', n.nspname, r.relname) from pg_class r join pg_namespace n on n.oid = r.relnamespace
    where r.oid = ${oid})`;
}

/** Whether one serves as well as the other, and could be its part: Postgres compares all but the storage. */
export function isAlike(a: IndexShape, b: IndexShape): boolean {
  // Names are quoted by us always, and by Postgres where they must be; so with pgvector's schema, and where it must be named.
  const plain = ({ method, expression, operators, predicate }: IndexShape): string =>
    [method, expression, operators, predicate ?? ""]
      .join("\n")
      .replaceAll('"', "")
      .replaceAll(/[^\s(:]+\.(?=(?:vector|halfvec)\b|(?:vector|halfvec)_\w+_ops\b)/g, "");
  return plain(a) === plain(b);
}

/** The table that has the vectors, as a `regclass`. */
export function regclassOf(source: Source): RawBuilder<unknown> {
  const { schema, table } = source.vectorTable ?? source;
  return sql`format('%I.%I', ${schema}::text, ${table}::text)::regclass`;
}
