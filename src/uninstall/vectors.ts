import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { vectorSize } from "../watch/vector-column.ts";
import { MADE_BY_US } from "../watch/made-by-us.ts";
import type { Dropped } from "./foreign-dependents.ts";
import { CHUNK_COLUMNS, MARKED_VECTORS, RECORDED_SOURCES, type VectorSources } from "./vector-sources.ts";
import { whereDamaged } from "./where-damaged.ts";

/** A column, table or view that an uninstall with vectors removes, or that stays. */
export interface VectorPart {
  /** For people: `column embedding of public.tickets`. */
  readonly name: string;
  /** Removes it. */
  readonly statement: string;
  /** On disk, with indexes; of a column it is estimated. */
  readonly bytes: number;
  /** Why it is not removed with the vectors; null where it is. */
  readonly staysBecause: string | null;
  readonly dropped: Dropped;
}

interface Receiver {
  readonly oid: string;
  readonly table: string;
  readonly column: string;
  readonly type: string;
  readonly dimensions: number | null;
  readonly rows: number;
  readonly bytes: number;
  readonly index_bytes: number;
  readonly table_is_ours: boolean;
  readonly column_is_ours: boolean;
  readonly others: readonly string[];
  readonly foreign_owner: string | null;
}

/** Where the vectors of every source are, apart from the sample table; views first, since they read from the rest. */
export async function vectorParts(db: Database, sampleTable: string | null): Promise<VectorPart[]> {
  const recorded = await whereDamaged<VectorPart[] | null>(partsOf(db, RECORDED_SOURCES, sampleTable), null);
  return recorded ?? (await partsOf(db, MARKED_VECTORS, sampleTable));
}

async function partsOf(
  db: Database,
  sources: VectorSources,
  sampleTable: string | null,
): Promise<VectorPart[]> {
  const receivers = (await readReceivers(db, sources)).filter(({ oid }) => oid !== sampleTable);
  const parts = receivers.map(partOf);
  const isFirst = ({ statement }: VectorPart, i: number): boolean =>
    parts.findIndex((part) => part.statement === statement) === i;
  return [...(await ownViews(db, sources)), ...parts.filter(isFirst)];
}

function partOf(receiver: Receiver): VectorPart {
  const { oid, table, column, others, table_is_ours: isTable, foreign_owner: owner } = receiver;
  const quoted = `"${column.replaceAll('"', '""')}"`;
  const belongsTo = owner === null ? null : `it belongs to the role ${owner}`;
  if (isTable && others.length === 0) {
    return {
      name: `table ${table}`,
      statement: `drop table ${table}`,
      bytes: receiver.bytes,
      staysBecause: belongsTo,
      dropped: { oid, column: null },
    };
  }
  return {
    name: `column ${column} of ${table}`,
    statement: `alter table ${table} drop column ${quoted}`,
    bytes: receiver.index_bytes + receiver.rows * vectorSize(receiver.type, receiver.dimensions),
    staysBecause:
      belongsTo ?? (receiver.column_is_ours ? null : "it may have been there before the table was watched"),
    dropped: { oid, column },
  };
}

/** Every vector column of a source that is there, as the catalog knows it. Sizes are summed over partitions. */
async function readReceivers(db: Database, sources: VectorSources): Promise<Receiver[]> {
  const begins = `${MADE_BY_US}%`;
  const { rows } = await sql<Receiver>`
    with source as (${sources})
    select c.oid::text, format('%I.%I', n.nspname, c.relname) as table, a.attname::text as column, y.typname::text as type,
      nullif(a.atttypmod, -1) as dimensions, size.rows, size.bytes, size.index_bytes,
      s.vector_table is not null and coalesce(obj_description(c.oid, 'pg_class') like ${begins}, false) as table_is_ours,
      coalesce(col_description(c.oid, a.attnum) like ${begins}, false) as column_is_ours,
      array(
        select o.attname::text from pg_attribute o
        where o.attrelid = c.oid and o.attnum > 0 and not o.attisdropped and o.attname <> all(s.key_columns)
          and not exists (select from source v
            where coalesce(v.vector_table, v.watched_table) = c.oid and v.vector_column = o.attname)
          and not (s.has_chunks and o.attname in ${CHUNK_COLUMNS})
      ) as others,
      case when not pg_has_role(c.relowner, 'usage') then pg_get_userbyid(c.relowner)::text end as foreign_owner
    from source s
    join pg_class c on c.oid = coalesce(s.vector_table, s.watched_table) join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attname = s.vector_column and not a.attisdropped
    join pg_type y on y.oid = a.atttypid
    cross join lateral (
      select sum(pg_total_relation_size(p.relid))::float8 as bytes, sum(greatest(r.reltuples, 0))::float8 as rows,
        coalesce(sum((
          select sum(pg_relation_size(i.indexrelid)) from pg_index i join pg_attribute b on b.attrelid = i.indrelid
          where i.indrelid = p.relid and b.attname = s.vector_column and b.attnum = any(i.indkey))), 0)::float8 as index_bytes
      from (select c.oid as relid union select relid from pg_partition_tree(c.oid)) p join pg_class r on r.oid = p.relid
    ) size
    where not exists (
      -- The chunks are a source of their own, in the table of the source that they are cut from.
      select from source d where d.has_chunks and s.vector_table is null and d.vector_table = c.oid)
    order by s.id`.execute(db);
  return rows;
}

/** The views over tables of vectors that `watch --into` made. */
async function ownViews(db: Database, sources: VectorSources): Promise<VectorPart[]> {
  const { rows } = await sql<{ oid: string; view: string; foreign_owner: string | null }>`
    with source as (${sources})
    select distinct c.oid::text, format('%I.%I', n.nspname, c.relname) as view,
      case when not pg_has_role(c.relowner, 'usage') then pg_get_userbyid(c.relowner)::text end as foreign_owner
    from source s
    join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = s.vector_table and d.classid = 'pg_rewrite'::regclass
    join pg_rewrite r on r.oid = d.objid join pg_class c on c.oid = r.ev_class join pg_namespace n on n.oid = c.relnamespace
    where c.relkind = 'v' and obj_description(c.oid, 'pg_class') like ${`${MADE_BY_US}%`} order by 2`.execute(
    db,
  );
  return rows.map(({ oid, view, foreign_owner: owner }) => ({
    name: `view ${view}`,
    statement: `drop view ${view}`,
    bytes: 0,
    staysBecause: owner === null ? null : `it belongs to the role ${owner}`,
    dropped: { oid, column: null },
  }));
}
