import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";
import { quote, quoted } from "../database/identifier.ts";
import { SetupError } from "../errors.ts";
import { isChunked, type ChunkedSource } from "./chunked-source.ts";
import type { Source } from "./source.ts";
import { invocation } from "../invocation.ts";

export interface MissingGrants {
  readonly role: string;
  /** Whether it lacks none that it takes to read the watched table. */
  readonly mayRead: boolean;
  /** The statements that grant them. */
  readonly grants: string;
}

/** Of a text in chunks, what is written beside its key. */
const CHUNK_COLUMNS = ["chunk", "start_char", "end_char", "passage"];

/** The rights that this role lacks to embed a source; null where it lacks none. */
export async function missingGrants(
  db: Database,
  source: Source | ChunkedSource,
): Promise<MissingGrants | null> {
  const { schema, vectorColumn, vectorSchema, vectorTable } = source;
  const holder = vectorTable ?? source;
  // Locking a row needs the right to update some column of it, no matter which.
  const may =
    vectorTable === null
      ? sql`has_table_privilege(w, 'select') and has_column_privilege(w, ${vectorColumn}, 'update')`
      : sql`has_table_privilege(w, 'select') and has_any_column_privilege(w, 'update') and has_schema_privilege(${holder.schema}, 'usage')
        and has_table_privilege(v, 'select') and ${mayWrite(source)} and has_table_privilege(v, 'delete')`;
  const { rows } = await sql<{ role: string; may: boolean; may_read: boolean }>`
    select current_user as role, has_schema_privilege(${schema}, 'usage') and has_schema_privilege(${vectorSchema}, 'usage')
      and ${may} as may,
      has_schema_privilege(${schema}, 'usage') and has_table_privilege(w, 'select') as may_read
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
    // Each write names pgvector's types, and no claim does: the texts would be paid for without end.
    `grant usage on schema ${quote(vectorSchema)} to ${role};`,
  ];
  return { role: found.role, mayRead: found.may_read, grants: [...new Set(grants)].join(" ") };
}

/** Whether it may insert and update the columns that are written in the vectors' own table `v`, if not all of them. */
function mayWrite(source: Source | ChunkedSource): RawBuilder<boolean> {
  const keys = source.key.map(({ name }) => name);
  const updated = isChunked(source) ? CHUNK_COLUMNS : [source.vectorColumn];
  return sql`(select bool_and(has_column_privilege(v, a.attnum, 'insert') and
          (a.attname <> all(${updated}::text[]) or has_column_privilege(v, a.attnum, 'update')))
          from pg_attribute a where a.attrelid = v and a.attname = any(${[...keys, ...updated]}::text[]))`;
}

/** @throws {SetupError} where the role lacks rights, before anything is claimed or paid for. */
export async function checkGrants(db: Database, source: Source | ChunkedSource): Promise<void> {
  const missing = await missingGrants(db, source);
  if (missing === null) return;
  throw new SetupError(
    `the role ${missing.role} may not read ${source.schema}.${source.table} and write its vectors: ${invocation("doctor")} lists the grants that it needs`,
    missing.grants,
  );
}
