import { sql } from "kysely";
import type { ChunkSettings } from "../chunks/chunk-settings.ts";
import type { Database } from "../database/connect.ts";
import { neverNull } from "../database/never-null.ts";
import { functionIndexes, type FunctionIndex } from "./indexed-functions.ts";
import { lacksIdentity } from "./replica-identity.ts";

/** A row of `embedding_source`, with what the catalog says of its tables now. */
export interface SourceRow {
  readonly id: number;
  readonly name: string;
  readonly schema: string | null;
  readonly table: string | null;
  readonly oid: number;
  /** The table became a partition after it was watched: its triggers do not see rows inserted through its parent. */
  readonly misses_inserts: boolean;
  readonly key: readonly {
    readonly name: string;
    readonly type: string | null;
    /** The schema of the operators that compare it. */
    readonly operators: string;
    /** The vector table has a column of this name and type too. */
    readonly in_vector_table: boolean;
  }[];
  /** See `Source.hasAlteredKey`. */
  readonly has_altered_key: boolean;
  /** A unique index that has columns of the key alone, which are not null; null where rows may have one key. */
  readonly key_index: number | null;
  /** The role that the trigger functions run as, where it may not write to the queue: changes are not queued. */
  readonly role_without_queue: string | null;
  /** See `Source.hasSingleKeyLookup`. */
  readonly has_single_key_lookup: boolean;
  readonly text_expression: string;
  readonly text_is_column: boolean;
  /** Triggers see no value of a virtual generated column. */
  readonly text_is_virtual: boolean;
  readonly tenant_column: string | null;
  /** The watched table has no column of that name any more. */
  readonly lacks_tenant: boolean;
  /** See `Source.hasTenants`. */
  readonly has_tenants: boolean;
  readonly vector_column: string;
  /** Null where the vectors are in the watched table; its schema and table are null where it was dropped. */
  readonly vector_table: {
    readonly schema: string | null;
    readonly table: string | null;
    readonly oid: number;
  } | null;
  readonly passages: ChunkSettings | null;
  /** The id of the source that embeds the chunks; null where there are none, or no source embeds them any more. */
  readonly embedded_by: number | null;
  readonly vector_type: string | null;
  readonly vector_schema: string | null;
  readonly column_dimensions: number | null;
  readonly backend: string | null;
  readonly model: string | null;
  readonly dimensions: number | null;
  readonly settings: Record<string, unknown>;
  readonly paused: boolean;
  /** The table whose rows row-level security hides from this role; null where it hides none. */
  readonly hidden_by_row_security: string | null;
  /** A rewrite rule on the vectors' table, with which Postgres refuses our writes or writes something else. */
  readonly rule: string | null;
  /** The table of the vectors is published, and Postgres cannot tell its rows apart: it refuses each update. */
  readonly lacks_identity: boolean;
  /** See `unplannedIndex`. */
  readonly function_indexes: readonly FunctionIndex[] | null;
}

/** Reads every source, with the state of its tables, key, columns and rules in the catalog. */
export async function readSources(db: Database): Promise<readonly SourceRow[]> {
  const { rows } = await sql<SourceRow>`
    select s.id, s.name, n.nspname as schema, c.relname as table, s.watched_table::oid::int8::float8 as oid,
      s.text_expression, ${textIsColumn} as text_is_column, ${textIsVirtual} as text_is_virtual, s.vector_column,
      s.tenant_column, ${lacksTenant} as lacks_tenant, ${hasTenants} as has_tenants,
      case when s.vector_table is not null then
        jsonb_build_object('schema', vn.nspname, 'table', vc.relname, 'oid', s.vector_table::oid::int8) end as vector_table,
      y.typname as vector_type, yn.nspname as vector_schema, nullif(v.atttypmod, -1) as column_dimensions,
      ${key} as key, ${hasAlteredKey} as has_altered_key, ${keyIndex} as key_index, ${roleWithoutQueue} as role_without_queue,
      ${hasSingleKeyLookup} as has_single_key_lookup,
      s.backend, s.model, s.dimensions, s.settings, s.paused, s.passages, ${embeddedBy} as embedded_by,
      ${missesInserts} as misses_inserts, ${hiddenByRowSecurity} as hidden_by_row_security, ${rule} as rule,
      ${lacksIdentity(sql`coalesce(s.vector_table, s.watched_table)`)} as lacks_identity,
      ${functionIndexes} as function_indexes
    from ${fewSources} s
    left join pg_class c on c.oid = s.watched_table
    left join pg_namespace n on n.oid = c.relnamespace
    left join pg_class vc on vc.oid = s.vector_table
    left join pg_namespace vn on vn.oid = vc.relnamespace
    left join pg_attribute v on v.attrelid = coalesce(s.vector_table, s.watched_table)
      and v.attname = s.vector_column and not v.attisdropped
    left join pg_type y on y.oid = v.atttypid
    left join pg_namespace yn on yn.oid = y.typnamespace
    order by s.id`.execute(db);
  return rows;
}

/*
 * Expressions over the aliases of that statement: `s` the source, `c` the watched table, `vc` the vectors' own table where
 * there is one, `v` the vector's column, `y` its type, and `yn` the type's schema.
 *
 * `offset 0` keeps Postgres from reading the columns of all tables at once, to look up those of few.
 */

/**
 * All of them. Postgres takes an array for ten rows, and the table, which it seldom analyzes, for hundreds: the statement would look so dear
 * that, in an application's session, it is compiled for a third of a second, to run for a millisecond.
 */
const fewSources = sql`(
        select * from autoembed.embedding_source
        where id = any(array(select id from autoembed.embedding_source)))`;

const textIsColumn = sql`exists (
        select from pg_attribute x
        where x.attrelid = c.oid and quote_ident(x.attname) = s.text_expression and not x.attisdropped offset 0)`;

const textIsVirtual = sql`exists (
        select from pg_attribute x
        where x.attrelid = c.oid and x.attgenerated = 'v' and quote_ident(x.attname) = s.text_expression
          and not x.attisdropped offset 0)`;

const lacksTenant = sql`s.tenant_column is not null and not exists (
        select from pg_attribute x
        where x.attrelid = c.oid and x.attname = s.tenant_column and not x.attisdropped offset 0)`;

/** As `autoembed.tenant_sql` has it. */
const hasTenants = sql`(s.tenant_column is not null or exists (
        select from autoembed.embedding_source p
        where p.tenant_column is not null and p.passages is not null and p.vector_table = s.watched_table))`;

/** The schema of the operator by which the default btree class of the key column `a` compares: `citext` has its own. */
export const operatorsOf = sql`coalesce((
            select en.nspname from pg_type ky join pg_opclass kc on kc.opcintype = coalesce(nullif(ky.typbasetype, 0), ky.oid)
            join pg_am m on m.oid = kc.opcmethod and m.amname = 'btree'
            join pg_amop o on o.amopfamily = kc.opcfamily and o.amopstrategy = 3
              and o.amoplefttype = kc.opcintype and o.amoprighttype = kc.opcintype
            join pg_operator e on e.oid = o.amopopr join pg_namespace en on en.oid = e.oprnamespace
            where ky.oid = a.atttypid and kc.opcdefault), 'pg_catalog')`;

const key = sql`(
        select jsonb_agg(jsonb_build_object('name', k.name, 'type', format_type(a.atttypid, -1),
          'operators', ${operatorsOf}, 'in_vector_table', exists (
            select from pg_attribute b where b.attrelid = coalesce(s.vector_table, s.watched_table)
              and b.attname = k.name and b.atttypid = a.atttypid and not b.attisdropped)) order by k.n)
        from unnest(s.key_columns) with ordinality as k(name, n)
        left join pg_attribute a on a.attrelid = c.oid and a.attname = k.name and not a.attisdropped)`;

/** As `autoembed.key_types` has it, which a role that only searches may not call: a test holds that they agree. */
const hasAlteredKey = sql`coalesce(s.key_types <> (
        select array_agg(case when a.atttypid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) then 'integer'
          when a.atttypid in ('text'::regtype, 'varchar'::regtype) then 'text'
          else format_type(a.atttypid, a.atttypmod) end order by k.n)
        from unnest(s.key_columns) with ordinality as k(name, n)
        join pg_attribute a on a.attrelid = c.oid and a.attname = k.name and not a.attisdropped), false)`;

/** As `autoembed.check_key` has it. */
const keyIndex = sql`(
        select i.indexrelid::int8::float8 from pg_index i
        where i.indrelid = c.oid and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
          and not exists (
            select from unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) x(attnum)
            where not exists (
              select from pg_attribute a
              where a.attrelid = c.oid and a.attnum = x.attnum and a.attname = any(s.key_columns) and ${neverNull("a")}))
        order by i.indexrelid limit 1)`;

const roleWithoutQueue = sql`(
        select pg_get_userbyid(p.proowner)::text from pg_trigger g join pg_proc p on p.oid = g.tgfoid
        where g.tgrelid = c.oid and g.tgname = format('autoembed_%s_update', s.id)
          and p.proowner = any((select autoembed.roles_without_queue())::oid[]))`;

/**
 * Both tables (`t`) are ordinary ones without children, the key is one column (`a`) that is no array, a unique index begins
 * with it in its own collation, and no index has it in a later position.
 */
const hasSingleKeyLookup = sql`cardinality(s.key_columns) = 1 and not exists (
        select from unnest(array[c.oid, vc.oid]) t(oid) join pg_class r on r.oid = t.oid
        join pg_attribute a on a.attrelid = t.oid and a.attname = s.key_columns[1]
        where r.relkind <> 'r' or exists (select from pg_inherits h where h.inhparent = t.oid)
          or (select ky.typcategory from pg_type ky where ky.oid = a.atttypid) = 'A' or not exists (
            select from pg_index i join pg_class x on x.oid = i.indexrelid join pg_am m on m.oid = x.relam
            where i.indrelid = t.oid and i.indisunique and i.indisvalid and i.indpred is null and m.amname = 'btree'
              and i.indkey[0] = a.attnum and i.indcollation[0] = a.attcollation)
          or exists (select from pg_index i where i.indrelid = t.oid and a.attnum = any((i.indkey::int2[])[1:])))`;

const embeddedBy = sql`(
        select p.id from autoembed.embedding_source p
        where s.passages is not null and p.watched_table = s.vector_table and p.vector_column = s.vector_column
        order by p.id limit 1)`;

const missesInserts = sql`(c.relispartition and exists (
        select from pg_trigger g
        where g.tgrelid = c.oid and g.tgname = format('autoembed_%s_insert', s.id) and g.tgnewtable is not null))`;

const hiddenByRowSecurity = sql`(
        select t.oid::regclass::text from (values (c.oid, '{r,w}'), (vc.oid, '{r,w,a,d}')) t(oid, commands)
        where autoembed.hides_rows(t.oid, t.commands::"char"[]) limit 1)`;

const rule = sql`(
        select quote_ident(r.rulename) || ' on ' || r.ev_class::regclass from pg_rewrite r
        where r.ev_class = coalesce(s.vector_table, s.watched_table) and r.ev_enabled in ('O', 'A')
          and (r.ev_type = '2' or (s.vector_table is not null and r.ev_type in ('3', '4'))) limit 1)`;
