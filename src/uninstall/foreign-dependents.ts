import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";
import { isOwnTrigger } from "../watch/own-triggers.ts";
import type { OwnNames } from "./own-names.ts";
import { isOwnRelation, isOwnRoutine } from "./schema-contents.ts";

/** A table or view that is to be dropped, or a column of it. */
export interface Dropped {
  readonly oid: string;
  /** Null for all of it. */
  readonly column: string | null;
}

/** Whether the body of a function `p` names our schema, in whatever way SQL lets it, or sets a `search_path` with it. */
const BODY_NAMES_OURS = sql<boolean>`(p.prosrc ~* '\\mautoembed\\s*\\.' or p.prosrc ~ '"autoembed"\\s*\\.'
      or p.prosrc ~* 'search_path[^;]*\\mautoembed\\M')`;

/** Whether a function `p` has a `search_path` of its own with our schema in it. */
const FINDS_OURS = sql<boolean>`exists (
      select from unnest(p.proconfig) setting where setting ~ '^search_path=.*\\mautoembed\\M')`;

/**
 * What others have made that needs what is to be removed, or lies in our schema, as Postgres describes it: `view app.v`.
 * Functions are found by the text of their bodies too, for which Postgres records nothing.
 */
export async function foreignDependents(
  db: Database,
  names: OwnNames,
  dropped: readonly Dropped[],
): Promise<string[]> {
  const own = sql`
      select 'pg_namespace'::regclass::oid, 'autoembed'::regnamespace::oid, 0
      union all select 'pg_class'::regclass, c.oid, 0 from pg_class c where ${isOwnRelation(names)}
      union all select 'pg_proc'::regclass, p.oid, 0 from pg_proc p where ${isOwnRoutine(names)}
      union all select 'pg_trigger'::regclass, t.oid, 0 from pg_trigger t where ${isOwnTrigger}
      union all ${droppedObjects(dropped)}`;
  const { rows } = await sql<{ name: string }>`
    ${dependentsOf(own)}
    union
    select format('%s %s, whose %s names autoembed', case p.prokind when 'p' then 'procedure' else 'function' end,
      p.oid::regprocedure, case when ${BODY_NAMES_OURS} then 'body' else 'search_path' end)
    from pg_proc p where p.pronamespace <> 'autoembed'::regnamespace and (${BODY_NAMES_OURS} or ${FINDS_OURS})
    order by 1`.execute(db);
  return rows.map(({ name }) => name);
}

/** The same for something that is dropped by itself. */
export async function dependentsOn(db: Database, dropped: readonly Dropped[]): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`${dependentsOf(droppedObjects(dropped))} order by 1`.execute(
    db,
  );
  return rows.map(({ name }) => name);
}

/** As `(classid, objid, objsubid)`, with the column's counterparts in partitions. */
function droppedObjects(dropped: readonly Dropped[]): RawBuilder<unknown> {
  return sql`
      select 'pg_class'::regclass::oid, p.relid::oid, coalesce(a.attnum, 0)::int
      from unnest(${dropped.map(({ oid }) => oid)}::oid[], ${dropped.map(({ column }) => column)}::text[]) d(oid, col)
      cross join lateral (select d.oid::regclass as relid union select relid from pg_partition_tree(d.oid)) p
      left join pg_attribute a on a.attrelid = p.relid and a.attname = d.col
      where d.col is null or a.attnum is not null`;
}

/**
 * What is part of another object, or goes with it by itself, is not a dependent: `closure` follows it. Of a rule, a
 * constraint, a default or a policy the table or view is named.
 */
function dependentsOf(own: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`with recursive closure(classid, objid, objsubid) as (
      select * from (${own}) o
      union
      select d.classid, d.objid, d.objsubid from closure o
      join pg_depend d on d.refclassid = o.classid and d.refobjid = o.objid and (o.objsubid = 0 or d.refobjsubid = o.objsubid)
      where d.deptype in ('a', 'i', 'P', 'S')
    ), dependent as (
      select distinct d.classid, d.objid from closure o
      join pg_depend d on d.refclassid = o.classid and d.refobjid = o.objid and (o.objsubid = 0 or d.refobjsubid = o.objsubid)
      where d.deptype = 'n' and not exists (
        select from closure c where c.classid = d.classid and c.objid = d.objid and (c.objsubid = 0 or c.objsubid = d.objsubid))
    )
    select distinct case when r.oid is null then pg_describe_object(d.classid, d.objid, 0)
      else pg_describe_object('pg_class'::regclass, r.ev_class, 0) end as name
    from dependent d left join pg_rewrite r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
    where r.oid is null or not exists (
      select from closure c where c.classid = 'pg_class'::regclass and c.objid = r.ev_class and c.objsubid = 0)`;
}
