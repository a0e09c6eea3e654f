import { sql } from "kysely";
import pg from "pg";
import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import { tableOf, vectorTableOf } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";

interface View {
  /** Qualified and quoted. */
  readonly name: string;
  /** Its query as the columns are called now. */
  readonly definition: string;
  readonly options: string;
  readonly owner: string;
  readonly grants: readonly string[];
}

const OTHERS_DEPEND_ON_IT = "2BP01";

/**
 * Holds every writer and reader of a source off; only for as long as two names take to be swapped. Views over its table of
 * vectors come first: who reads through one holds it while waiting for the tables.
 */
export async function lockTables(transaction: Database, source: Source): Promise<void> {
  const views = source.vectorTable === null ? [] : await viewsOver(transaction, source);
  const tables = [tableOf(source), ...(source.vectorTable === null ? [] : [vectorTableOf(source)])];
  await sql`lock table ${sql.join([...views.map(({ name }) => sql.raw(name)), ...tables])} in access exclusive mode`.execute(
    transaction,
  );
}

/**
 * Runs what names the vector column of a table of vectors anew, and lets the views over it show the column that has the
 * name then: a view holds on to the column itself, whose type a view cannot change either, so each is made anew, with
 * its owner and its grants.
 * @throws {SetupError} where something else depends on such a view.
 */
export async function keepingViews(
  transaction: Database,
  source: Source,
  rename: () => Promise<void>,
): Promise<void> {
  const views = source.vectorTable === null ? [] : await viewsOver(transaction, source);
  for (const { name } of views) await drop(transaction, name);
  await rename();
  for (const { name, definition, options, owner, grants } of views) {
    await sql`create view ${sql.raw(name)} ${sql.raw(options)} as ${sql.raw(definition)}`.execute(
      transaction,
    );
    await sql`alter view ${sql.raw(name)} owner to ${sql.id(owner)}`.execute(transaction);
    for (const grant of grants) await sql.raw(grant).execute(transaction);
  }
}

async function viewsOver(db: Database, { vectorTable, vectorColumn }: Source): Promise<View[]> {
  const { rows } = await sql<View>`
    select v.name, pg_get_viewdef(c.oid) as definition, pg_get_userbyid(c.relowner) as owner,
      coalesce('with (' || array_to_string(c.reloptions, ', ') || ')', '') as options,
      array(select format('grant %s on %s to %s%s', a.privilege_type, v.name,
          case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end,
          case when a.is_grantable then ' with grant option' else '' end)
        from aclexplode(c.relacl) a where a.grantee <> c.relowner) as grants
    from pg_class c, lateral (select format('%I.%I', (select nspname from pg_namespace where oid = c.relnamespace), c.relname) as name) v
    where c.relkind = 'v' and exists (
      select from pg_rewrite r
      join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid and d.refclassid = 'pg_class'::regclass
      join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
      where r.ev_class = c.oid and d.refobjid = ${vectorTable?.oid ?? null}::oid and a.attname = ${vectorColumn})
    order by c.oid`.execute(db);
  return rows;
}

async function drop(transaction: Database, name: string): Promise<void> {
  try {
    await sql`drop view ${sql.raw(name)}`.execute(transaction);
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || error.code !== OTHERS_DEPEND_ON_IT) throw error;
    throw new SetupError(
      `The view ${name} shows the vector's column and has to be made anew, but something depends on it.`,
      `Drop what depends on it, or the view, and run this again. ${error.detail ?? ""}`,
      { cause: error },
    );
  }
}
