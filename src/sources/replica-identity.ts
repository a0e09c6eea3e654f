import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";

/**
 * Whether a table, or a partition of it, is published with its updates, and has neither a primary key nor another replica
 * identity: Postgres then refuses every update with 55000. Only catalogs are read: pg_get_publication_tables() would lock
 * every published table.
 */
export function lacksIdentity(table: RawBuilder<unknown>): RawBuilder<boolean> {
  return sql<boolean>`exists (
        with recursive part(oid) as (
          select ${table}::oid union all select i.inhrelid from pg_inherits i join part on part.oid = i.inhparent)
        select from part join pg_class t on t.oid = part.oid
        where t.relkind = 'r' and t.relpersistence = 'p' and ${isPublished} and case t.relreplident
          when 'd' then not exists (select from pg_index i where i.indrelid = t.oid and i.indisprimary)
          when 'i' then not exists (select from pg_index i where i.indrelid = t.oid and i.indisreplident)
          else t.relreplident = 'n' end)`;
}

/** The dependency of a published schema says what pg_publication_namespace does, which Postgres 14 does not have. */
const isPublished = sql`exists (
          select from pg_publication p
          where p.pubupdate and (p.puballtables or exists (
            select from pg_class a
            where a.oid in (select t.oid union all select pg_partition_ancestors(t.oid)) and (
              exists (select from pg_publication_rel r where r.prpubid = p.oid and r.prrelid = a.oid)
              or exists (
                select from pg_depend s join pg_depend d on d.classid = s.classid and d.objid = s.objid
                where s.classid = to_regclass('pg_catalog.pg_publication_namespace')
                  and s.refclassid = 'pg_namespace'::regclass and s.refobjid = a.relnamespace
                  and d.refclassid = 'pg_publication'::regclass and d.refobjid = p.oid)))))`;

/** What is wrong with such a table, and what to run. */
export function withoutIdentity(table: string): string {
  return (
    `Postgres refuses updates of ${table}, which is published and has no replica identity: ` +
    `give it a primary key, or run: alter table ${table} replica identity full (of a partitioned table: each partition)`
  );
}

/** @throws {SetupError} where no vector could ever be written to the table */
export async function requireIdentity(
  db: Database,
  { oid, schema, table }: { readonly oid: string; readonly schema: string; readonly table: string },
): Promise<void> {
  const { rows } = await sql<{ lacks: boolean }>`select ${lacksIdentity(sql`${oid}`)} as lacks`.execute(db);
  if (rows[0]?.lacks !== true) return;
  throw new SetupError(
    `${withoutIdentity(`${schema}.${table}`)}.`,
    "Then watch it again. Vectors in a table of their own (--into) need neither.",
  );
}
