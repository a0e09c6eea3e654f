import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import type { Source } from "../sources/source.ts";

export interface VectorIndex {
  /** With its schema, quoted. */
  readonly name: string;
  readonly method: string;
  /** False while it is being built, and for ever when that was interrupted. */
  readonly valid: boolean;
  readonly definition: string;
}

/** Indexes of pgvector on a source's vector column, or on an expression over it. */
export async function vectorIndexes(db: Database, source: Source): Promise<VectorIndex[]> {
  const { schema, table } = source.vectorTable ?? source;
  const { rows } = await sql<VectorIndex>`
    select i.indexrelid::regclass::text as name, m.amname as method, i.indisvalid as valid,
      pg_get_indexdef(i.indexrelid) as definition
    from pg_index i
    join pg_class c on c.oid = i.indexrelid
    join pg_am m on m.oid = c.relam
    where i.indrelid = format('%I.%I', ${schema}::text, ${table}::text)::regclass
      and m.amname in ('hnsw', 'ivfflat')
      and exists (
        select from pg_depend d join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
        where d.objid = i.indexrelid and d.refobjid = i.indrelid and a.attname = ${source.vectorColumn})
    order by i.indexrelid`.execute(db);
  return rows;
}
