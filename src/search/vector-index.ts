import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";
import type { Source } from "../sources/source.ts";

/** The definition of an index, as SQL. */
export interface IndexShape {
  readonly method: string;
  /** The column, or an expression over it in brackets. */
  readonly expression: string;
  /** The operator class, with its schema, such as `public.vector_cosine_ops`. */
  readonly operators: string;
  /** The predicate of a partial index; null if it has all rows. */
  readonly predicate: string | null;
  /** `with (…)` and `tablespace …`, or empty. */
  readonly storage: string;
}

export interface WantedIndex {
  /** Qualified and quoted. */
  readonly table: string;
  /** The vector column, by its exact spelling. */
  readonly column: string;
  readonly shape: IndexShape;
}

export interface VectorIndex extends IndexShape {
  /** With its schema, quoted. */
  readonly name: string;
  /** The indexed table: the source's, or a partition of it. With its schema, quoted. */
  readonly table: string;
  /**
   * False while the index is being built, and for ever if that was interrupted. On a partitioned table, false while a
   * partition lacks its index.
   */
  readonly valid: boolean;
  /** The partitioned table's index that this one is attached to. */
  readonly partOf: string | null;
}

/**
 * pgvector's indexes on a source's vector column, or on an expression over it. Indexes of partitions are listed only if
 * they are not attached to the table's own.
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

/** The indexes on a vector column of some tables and partitions. @param tables a subquery of `regclass` */
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

/** Whether an index can replace another, and be attached to it: Postgres compares all but the storage. */
export function isAlike(a: IndexShape, b: IndexShape): boolean {
  // We quote every name; Postgres quotes only the names that need it, and names pgvector's schema only where it must.
  const plain = ({ method, expression, operators, predicate }: IndexShape): string =>
    [
      method,
      unqualified(expression).replaceAll(/[ ()]/g, ""),
      unqualified(operators),
      unqualified(predicate ?? ""),
    ].join("\n");
  return plain(a) === plain(b);
}

/** Without quotes, and without the schema of pgvector's names. */
function unqualified(expression: string): string {
  return expression
    .replaceAll('"', "")
    .replaceAll(
      /[^\s(:]+\.(?=(?:vector|halfvec|binary_quantize|subvector|bit_hamming_ops)\b|(?:vector|halfvec)_\w+_ops\b)/g,
      "",
    );
}

/** The table that holds the vectors, as a `regclass`. */
export function regclassOf(source: Source): RawBuilder<unknown> {
  const { schema, table } = source.vectorTable ?? source;
  return sql`format('%I.%I', ${schema}::text, ${table}::text)::regclass`;
}
