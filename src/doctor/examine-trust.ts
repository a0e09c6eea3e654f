import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { invocation } from "../invocation.ts";
import { quote, quoted } from "../database/identifier.ts";
import { QUEUE_TABLE } from "../queue/bloat.ts";
import type { Source } from "../sources/source.ts";
import { problem, warning, type Finding } from "./finding.ts";

/** Checks with whose rights code runs for a source, and who may read what is made from its rows. */
export async function examineTrust(db: Database, source: Source): Promise<Finding[]> {
  return [
    ...(await examineDefiners(db, source.id)),
    ...(await owners(db, source)),
    ...(await heirs(db, source)),
    ...(await unprotectedVectors(db, source)),
  ];
}

/** The owners of the trigger functions, where they lack a right: changes are not queued, or not erased. */
export async function examineDefiners(db: Database, id: number): Promise<Finding[]> {
  const { rows } = await sql<Lacking>`
    with owners as (
      select f.proowner as role, array_agg(f.oid::regprocedure::text order by f.proname) as functions
      from pg_proc f where f.pronamespace = 'autoembed'::regnamespace and f.proname ~ format('^source_%s_[a-z]+$', ${id}::int)
      group by f.proowner
    ), lacking as (
      select o.role, o.functions, autoembed.missing_trigger_rights(o.role) as rights, array(
        select format('select on %s', n.relation) from (
          select 'autoembed.embedding_source'::regclass as relation
          union all select watched_table::regclass from autoembed.embedding_source where id = ${id}) n
        where not has_table_privilege(o.role, n.relation, 'select')) as unread
      from owners o
    )
    select pg_get_userbyid(l.role)::text as role, l.rights, l.unread, l.functions,
      (select pg_get_userbyid(nspowner)::text from pg_namespace where nspname = 'autoembed') as owner
    from lacking l where l.rights || l.unread <> '{}' order by 1`.execute(db);
  return rows.slice(0, 1).map((lacking) => {
    const { role, rights, unread } = lacking;
    const missing = [...rights, ...unread];
    return problem(
      `its trigger functions belong to the role ${role}, which lacks ${missing.join("; ")}: ${rights.length > 0 ? "changes are not queued" : "what was made from rows that are deleted is not erased at once"}.`,
      `As a superuser: ${givenRights(lacking, missing).join(" ")} Then: ${invocation("backfill")}`,
    );
  });
}

interface Lacking {
  readonly role: string;
  /** Without one of these nothing is queued. */
  readonly rights: readonly string[];
  readonly unread: readonly string[];
  readonly functions: readonly string[];
  /** Of the schema. */
  readonly owner: string;
}

/** The owner of the schema has all rights on what is in it: the functions are given to that role, or the role is given the rest. */
function givenRights({ role, functions, owner }: Lacking, missing: readonly string[]): string[] {
  return role === owner
    ? missing.map((right) =>
        right.startsWith("a policy")
          ? `create policy autoembed on ${QUEUE_TABLE} to ${quote(role)} using (true);`
          : `grant ${right} to ${quote(role)};`,
      )
    : functions.map((name) => `alter function ${name} owner to ${quote(owner)};`);
}

/** A table's triggers, and the types of its columns, run code of the table's owner with the rights of the role that writes. */
async function owners(db: Database, { oid, vectorTable, id }: Source): Promise<Finding[]> {
  const { rows } = await sql<{ table: string; owner: string; role: string; is_superuser: boolean }>`
    select c.oid::regclass::text as table, o.rolname::text as owner, current_user::text as role,
      m.rolsuper as is_superuser
    from pg_class c join pg_roles o on o.oid = c.relowner join pg_roles m on m.rolname = current_user
    where c.oid in (${oid}::oid, ${vectorTable?.oid ?? oid}::oid) and not o.rolsuper
      and o.oid not in (select datdba from pg_database where datname = current_database())
      and (m.rolsuper and o.oid <> m.oid or not pg_has_role(o.oid, 'member'))
      and not exists (
        select from pg_proc f where f.pronamespace = 'autoembed'::regnamespace and f.proowner = o.oid
          and f.proname !~ format('^source_%s_[a-z]+$', ${id}::int))
    order by c.oid`.execute(db);
  return rows.map(({ table, owner, role, is_superuser }) =>
    (is_superuser ? problem : warning)(
      `${table} belongs to the role ${owner}, whose triggers on it run with the rights of ${role}${is_superuser ? ", a superuser" : ""}.`,
      is_superuser
        ? "Run the listener as a lesser role: docs/grants.sql."
        : "Fine if you trust that role with the texts of all sources of this listener, and with the cache; docs/safety.md says what it can do.",
    ),
  );
}

/** Tables that inherit, and are no partitions, without triggers of the source: an update through the parent changes their rows. */
async function heirs(db: Database, { oid, schema, table, id }: Source): Promise<Finding[]> {
  const { rows } = await sql<{ heir: string }>`
    with recursive heirs(oid) as (
      select inhrelid from pg_inherits where inhparent = ${oid}::oid
      union select i.inhrelid from pg_inherits i join heirs h on i.inhparent = h.oid)
    select h.oid::regclass::text as heir from heirs h join pg_class c on c.oid = h.oid
    where not c.relispartition and not exists (
      select from pg_trigger g join pg_proc p on p.oid = g.tgfoid
      where g.tgrelid = h.oid and p.pronamespace = 'autoembed'::regnamespace
        and (p.proname = format('source_%s_row', ${id}::int) or exists (
          select from autoembed.embedding_source s
          where s.watched_table = h.oid and p.proname = format('source_%s_row', s.id))))
    order by 1`.execute(db);
  if (rows.length === 0) return [];
  return [
    problem(
      `${rows.map(({ heir }) => heir).join(", ")} inherit from ${quoted({ schema, table })}: what changes in their rows is not queued.`,
      `Watch each of them too, under a name of its own. Until then: ${invocation("backfill")}`,
    ),
  ];
}

/** A separate table of vectors or chunks has row-level security of its own: that of the watched table does not protect it. */
async function unprotectedVectors(
  db: Database,
  { oid, schema, table, key, vectorTable }: Source,
): Promise<Finding[]> {
  if (vectorTable === null) return [];
  const { rows } = await sql<{ role: string; readers: string[] }>`
    select current_user::text as role, array(
      select distinct case a.grantee when 0 then 'PUBLIC' else pg_get_userbyid(a.grantee)::text end
      from (select v.relacl union all select x.attacl from pg_attribute x where x.attrelid = v.oid) l(acl), aclexplode(l.acl) a
      where a.privilege_type = 'SELECT' and a.grantee <> v.relowner
        and a.grantee not in (select i.role from autoembed.intended_grantees() i where i.purpose = 'listen')
      order by 1) as readers
    from pg_class w, pg_class v
    where w.oid = ${oid}::oid and v.oid = ${vectorTable.oid}::oid and w.relrowsecurity and not v.relrowsecurity`.execute(
    db,
  );
  return rows.map(({ role, readers }) => {
    const vectors = quoted(vectorTable);
    const same = key.map(({ name }) => `w.${quote(name)} = ${vectors}.${quote(name)}`).join(" and ");
    const what = `${quoted({ schema, table })} has row-level security, and ${vectors}, which is made from it, has none`;
    const remedy = [
      `alter table ${vectors} enable row level security;`,
      `create policy as_their_rows on ${vectors} using (exists (select from ${quoted({ schema, table })} w where ${same}));`,
      `create policy autoembed on ${vectors} to ${quote(role)} using (true);`,
    ].join(" ");
    return readers.length === 0
      ? warning(`${what}: grant no role the right to read it before it has.`, remedy)
      : problem(`${what}: ${readers.join(", ")} may read what is made from every row.`, remedy);
  });
}
