import { sql } from "kysely";
import pg from "pg";
import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import { renameIndexes, type IndexRename } from "./index-names.ts";
import { withTableLock } from "../database/with-table-lock.ts";
import { DEPENDENT_OBJECTS_STILL_EXIST } from "../sqlstate.ts";

/**
 * Drops a source and its column with its indexes. It also works for a broken source, which may be the reason for
 * dropping it.
 * @param renames indexes that then get the names of those that are dropped
 * @throws {SetupError} if another object depends on the column.
 */
export async function dropModel(
  db: Database,
  { name }: { readonly name: string },
  renames: readonly IndexRename[] = [],
): Promise<void> {
  await withTableLock(db, async (transaction) => {
    const { rows } = await sql<{ table: string; column: string }>`
      select format('%I.%I', n.nspname, c.relname) as table, s.vector_column as column from autoembed.embedding_source s
      join pg_class c on c.oid = coalesce(s.vector_table, s.watched_table) join pg_namespace n on n.oid = c.relnamespace
      where s.name = ${name}`.execute(transaction);
    await sql`select autoembed.unwatch(${name})`.execute(transaction);
    for (const { table, column } of rows) {
      await sql`alter table ${sql.raw(table)} drop column if exists ${sql.id(column)}`.execute(transaction);
    }
    await renameIndexes(transaction, renames);
  }).catch((error: unknown) => {
    if (!(error instanceof pg.DatabaseError) || error.code !== DEPENDENT_OBJECTS_STILL_EXIST) throw error;
    throw new SetupError(
      `The column of ${name} cannot be dropped: another object depends on it.`,
      `Drop that object, or change it to use another column, and run this again. ${error.detail ?? ""}`,
      { cause: error },
    );
  });
}
