import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import type { Source } from "../sources/source.ts";

/**
 * Gives a column exactly the grants of the source's vector column. Grants stay with a column when its name goes to
 * another column, and a listener that may update only `embedding` must write both columns during a model change.
 */
export async function copyColumnGrants(transaction: Database, source: Source, to: string): Promise<void> {
  const { schema, table } = source.vectorTable ?? source;
  const { rows } = await sql<{ statement: string }>`
    with entry as (
      select t.attname, format('%I.%I', ${schema}::text, ${table}::text) as table, a.privilege_type as privilege,
        case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end as role,
        case when a.is_grantable then ' with grant option' else '' end as option
      from pg_attribute t, aclexplode(t.attacl) a
      where t.attrelid = format('%I.%I', ${schema}::text, ${table}::text)::regclass
        and t.attname in (${source.vectorColumn}, ${to}) and a.grantee <> (select relowner from pg_class where oid = t.attrelid)
    )
    select format('revoke all (%I) on %s from %s', ${to}::text, e.table, e.role) as statement from entry e where attname = ${to}
    union all
    select format('grant %s (%I) on %s to %s%s', e.privilege, ${to}::text, e.table, e.role, e.option) from entry e
    where attname = ${source.vectorColumn}`.execute(transaction);
  for (const { statement } of rows) await sql.raw(statement).execute(transaction);
}
