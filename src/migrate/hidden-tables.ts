import type { ClientBase } from "pg";
import { SetupError } from "../errors.ts";

/**
 * Row-level security may hide rows of our own tables from the role of the session: a hidden queue looks empty, and hidden
 * sources look like none. A role is asked only about the tables that it may read.
 * @throws {SetupError} that says which policies it needs
 */
export async function refuseHiddenTables(client: ClientBase): Promise<void> {
  const { rows } = await client.query<{ table: string; policy: string; role: string }>(`
    select pg_catalog.format('autoembed.%I', c.relname) as table, pg_catalog.quote_ident(current_user) as role,
      pg_catalog.quote_ident(pg_catalog.left('autoembed_' || current_user, 63)) as policy
    from pg_catalog.pg_class c
    where c.relnamespace = pg_catalog.to_regnamespace('autoembed') and c.relkind = 'r'
      and (pg_catalog.has_table_privilege(c.oid, 'select') or pg_catalog.has_any_column_privilege(c.oid, 'select'))
      and pg_catalog.row_security_active(c.oid) and not exists (
        select from pg_catalog.pg_policy p
        where p.polrelid = c.oid and p.polpermissive and p.polcmd = '*'
          and pg_catalog.pg_get_expr(p.polqual, p.polrelid) = 'true'
          and coalesce(pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), 'true') = 'true'
          and (p.polroles = '{0}' or exists (
            select from pg_catalog.unnest(p.polroles) r(oid) where pg_catalog.pg_has_role(r.oid, 'usage'))))
    order by c.relname`);
  const [first] = rows;
  if (first === undefined) return;
  const policies = rows.map(
    ({ table, policy, role }) =>
      `create policy ${policy} on ${table} to ${role} using (true) with check (true);`,
  );
  throw new SetupError(
    `Row-level security hides rows of ${rows.map(({ table }) => table).join(", ")} from the role ${first.role}.`,
    `As the owner of the schema autoembed: ${policies.join(" ")}`,
  );
}
