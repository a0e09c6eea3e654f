import { sql, type RawBuilder } from "kysely";
import { MADE_BY_US } from "../watch/made-by-us.ts";
import { isOwnTrigger } from "../watch/own-triggers.ts";

/** The columns of chunks that `watch` makes, apart from the key and the vector. */
export const CHUNK_COLUMNS = sql`('passage_id', 'chunk', 'start_char', 'end_char', 'passage')`;

/** A statement for the places of vectors, as `embedding_source` has them. */
export type VectorSources = RawBuilder<unknown>;

export const RECORDED_SOURCES: VectorSources = sql`
    select id, watched_table, vector_table, vector_column, key_columns, passages is not null as has_chunks
    from autoembed.embedding_source`;

const isMadeTable = sql<boolean>`coalesce(obj_description(c.oid, 'pg_class') like ${`${MADE_BY_US}%`}, false)`;

/**
 * The same where that table is lost, by the comments of what `watch` and `remodel` made. The key of a table of vectors is what
 * its primary key and its foreign keys have. A copy of a table (`like … including comments`) has the comments of its columns,
 * but not that of the table, nor its triggers.
 */
export const MARKED_VECTORS: VectorSources = sql`
    select row_number() over (order by c.oid, a.attnum) as id, c.oid as watched_table,
      case when ${isMadeTable} then c.oid end as vector_table,
      a.attname::text as vector_column,
      array(
        select k.attname::text from pg_constraint p join pg_attribute k on k.attrelid = c.oid and k.attnum = any(p.conkey)
        where p.conrelid = c.oid and p.contype in ('p', 'f')) as key_columns,
      exists (select from pg_attribute k where k.attrelid = c.oid and k.attname = 'passage_id') as has_chunks
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relkind in ('r', 'p') and not c.relispartition and col_description(c.oid, a.attnum) like ${`${MADE_BY_US}%`}
      and (${isMadeTable} or exists (select from pg_trigger t where t.tgrelid = c.oid and ${isOwnTrigger}))`;
