import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import { whereVectorsAre, type Source } from "../sources/source.ts";

/** A view that shows the vector column, or reads from a view that does. */
export interface View {
  /** Qualified and quoted. */
  readonly name: string;
  /** Its query, with the columns' current names. */
  readonly definition: string;
  readonly options: string;
  readonly owner: string;
  /** Statements that restore its grants and comments. */
  readonly belongings: readonly string[];
}

interface Dependent extends View {
  /** As Postgres describes it: `view reports.latest`, `trigger audit on table patients`. */
  readonly description: string;
  readonly follows: boolean;
}

/**
 * The views over a source's vector column, and the views over those. Each comes before the views that it reads from, the
 * order in which a reader locks them.
 * @throws {SetupError} if an object depends on the column that cannot be re-created over another column: it would
 * silently keep using the old model's vectors.
 */
export async function viewsOver(db: Database, source: Source): Promise<View[]> {
  const { schema, table } = source.vectorTable ?? source;
  const { rows } = await sql<Dependent>`
    with recursive direct as (
      select d.classid, d.objid from pg_depend d join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
      where d.refclassid = 'pg_class'::regclass and d.refobjid = format('%I.%I', ${schema}::text, ${table}::text)::regclass
        and a.attname = ${source.vectorColumn} and d.deptype = 'n'
    ), dependent(classid, objid, relation, depth) as (
      select d.classid, d.objid, r.ev_class, 1 from direct d left join pg_rewrite r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
      union
      select d.classid, d.objid, r.ev_class, b.depth + 1
      from dependent b join pg_depend d on d.deptype = 'n' and (d.refclassid = 'pg_class'::regclass and d.refobjid = b.relation
        or d.refclassid = 'pg_type'::regclass and d.refobjid = (select reltype from pg_class where oid = b.relation))
      left join pg_rewrite r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
      where r.ev_class is distinct from b.relation
    ), object as (
      select classid, objid, relation, max(depth) as depth from dependent group by 1, 2, 3
    )
    select case when o.relation is null then pg_describe_object(o.classid, o.objid, 0)
        else pg_describe_object('pg_class'::regclass, o.relation, 0) end as description,
      v.name, pg_get_viewdef(c.oid) as definition, pg_get_userbyid(c.relowner) as owner,
      coalesce('with (' || array_to_string(c.reloptions, ', ') || ')', '') as options,
      coalesce(c.relkind = 'v' and pg_has_role(c.relowner, 'usage')
        and not exists (select from pg_trigger t where t.tgrelid = c.oid)
        and not exists (select from pg_attrdef f where f.adrelid = c.oid)
        and not exists (select from pg_rewrite r where r.ev_class = c.oid and r.rulename <> '_RETURN'), false) as follows,
      array(
        select format('grant %s on %s to %s%s', a.privilege_type, v.name, g.role, g.option)
        from aclexplode(c.relacl) a, lateral (select ${granted}) g where a.grantee <> c.relowner
        union all
        select format('grant %s (%I) on %s to %s%s', a.privilege_type, t.attname, v.name, g.role, g.option)
        from pg_attribute t, aclexplode(t.attacl) a, lateral (select ${granted}) g where t.attrelid = c.oid
        union all
        select format('comment on view %s is %L', v.name, d) from obj_description(c.oid, 'pg_class') d where d is not null
        union all
        select format('comment on column %s.%I is %L', v.name, t.attname, d)
        from pg_attribute t, col_description(c.oid, t.attnum) d where t.attrelid = c.oid and t.attnum > 0 and d is not null
      ) as belongings
    from object o left join pg_class c on c.oid = o.relation
    left join lateral (select (select quote_ident(nspname) from pg_namespace where oid = c.relnamespace) || '.' || quote_ident(c.relname) as name) v on true
    order by o.depth desc, o.objid`.execute(db);
  const stays = rows.filter(({ follows }) => !follows).map(({ description }) => description);
  if (stays.length === 0) return rows;
  throw new SetupError(
    `${stays.join(" and ")} depends on ${whereVectorsAre(source)} and cannot follow a model change.`,
    "Drop it, and create it again when the model change is finished. (A view can follow if it belongs to this role and has no rules, triggers or defaults of its own.)",
  );
}

/** Role and option of `a`, an entry of an access list. */
const granted = sql`case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end as role,
  case when a.is_grantable then ' with grant option' else '' end as option`;
