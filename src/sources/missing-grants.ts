import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { quote, quoted } from "../database/identifier.ts";
import { SetupError } from "../errors.ts";
import type { Source } from "./source.ts";
import { invocation } from "../invocation.ts";

export interface MissingGrants {
  readonly role: string;
  /** The statements that grant them. */
  readonly grants: string;
}

/** The rights that this role lacks to embed a source; null where it lacks none. */
export async function missingGrants(db: Database, source: Source): Promise<MissingGrants | null> {
  const { schema, vectorColumn, vectorTable } = source;
  const holder = vectorTable ?? source;
  // Locking a row needs the right to update some column of it, no matter which.
  const may =
    vectorTable === null
      ? sql`has_table_privilege(w, 'select') and has_column_privilege(w, ${vectorColumn}, 'update')`
      : sql`has_table_privilege(w, 'select') and has_any_column_privilege(w, 'update') and has_schema_privilege(${holder.schema}, 'usage')
        and has_table_privilege(v, 'select') and has_table_privilege(v, 'insert') and has_table_privilege(v, 'update') and has_table_privilege(v, 'delete')`;
  const { rows } = await sql<{ role: string; may: boolean }>`
    select current_user as role, has_schema_privilege(${schema}, 'usage') and ${may} as may
    from (select ${source.oid}::oid as w, ${holder.oid}::oid as v) t`.execute(db);
  const [found] = rows;
  if (found?.may !== false) return null;
  const role = quote(found.role);
  const updated = vectorTable === null ? vectorColumn : (source.key[0]?.name ?? "");
  const grants = [
    `grant usage on schema ${quote(schema)} to ${role};`,
    `grant select, update (${quote(updated)}) on ${quoted(source)} to ${role};`,
    ...(vectorTable === null
      ? []
      : [
          `grant usage on schema ${quote(holder.schema)} to ${role};`,
          `grant select, insert, update, delete on ${quoted(holder)} to ${role};`,
        ]),
  ];
  return { role: found.role, grants: grants.join(" ") };
}

/** @throws {SetupError} where the role lacks rights, before anything is claimed or paid for. */
export async function checkGrants(db: Database, source: Source): Promise<void> {
  const missing = await missingGrants(db, source);
  if (missing === null) return;
  throw new SetupError(
    `the role ${missing.role} may not read ${source.schema}.${source.table} and write its vectors: ${invocation("doctor")} lists the grants that it needs`,
    missing.grants,
  );
}
