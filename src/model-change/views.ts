import { sql } from "kysely";
import pg from "pg";
import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import type { View } from "./dependents.ts";
import { UNDEFINED_COLUMN } from "../sqlstate.ts";

/** A view keeps its column when the column is renamed, and cannot change its type: so each view is re-created. */
export async function dropViews(transaction: Database, views: readonly View[]): Promise<void> {
  for (const { name } of views) await sql`drop view ${sql.raw(name)}`.execute(transaction);
}

/**
 * Creates the dropped views again over the columns that have the names now, with owner, grants and comments.
 * @throws {SetupError} if a view also shows the second column, whose name has changed.
 */
export async function makeViews(transaction: Database, views: readonly View[]): Promise<void> {
  for (const { name, definition, options, owner, belongings } of views.toReversed()) {
    try {
      await sql`create view ${sql.raw(name)} ${sql.raw(options)} as ${sql.raw(definition)}`.execute(
        transaction,
      );
    } catch (error) {
      if (!(error instanceof pg.DatabaseError) || error.code !== UNDEFINED_COLUMN) throw error;
      throw new SetupError(
        `The view ${name} shows both models' vectors, and cannot follow the model change: ${error.message}.`,
        "Drop the view, or remove the second column from it, and run this again.",
        { cause: error },
      );
    }
    await sql`alter view ${sql.raw(name)} owner to ${sql.id(owner)}`.execute(transaction);
    await revokeDefaults(transaction, name);
    for (const statement of belongings) await sql.raw(statement).execute(transaction);
  }
}

/** Revokes what `alter default privileges` grants on a new view: the old view may not have had these grants. */
async function revokeDefaults(transaction: Database, view: string): Promise<void> {
  const { rows } = await sql<{ statement: string }>`
    select distinct format('revoke all on %s from %s', ${view}::text,
      case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end) as statement
    from pg_class c, aclexplode(c.relacl) a where c.oid = ${view}::regclass and a.grantee <> c.relowner`.execute(
    transaction,
  );
  for (const { statement } of rows) await sql.raw(statement).execute(transaction);
}
