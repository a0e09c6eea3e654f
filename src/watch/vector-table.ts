import { sql, type RawBuilder } from "kysely";
import pg from "pg";
import { identifierOf, quoted } from "../database/identifier.ts";
import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import type { TableName } from "../sources/source.ts";
import { nameParts, type FoundTable } from "./find-table.ts";
import { columnType, type VectorColumn } from "./vector-column.ts";

/** A table for the vectors of a watched one. */
export interface VectorTable extends TableName {
  /** Null where it is still to be made. */
  readonly oid: string | null;
}

const NO_UNIQUE_CONSTRAINT = "42830";

/** The table that a person names for the vectors of `watched`; without a schema, in that one's schema. */
export async function findVectorTable(db: Database, name: string, watched: FoundTable): Promise<VectorTable> {
  const [schema = watched.schema, table] = nameParts(name);
  if (table === undefined)
    throw new SetupError(`${JSON.stringify(name)} names no table.`, "Such as: --into documents_embeddings");
  const { rows } = await sql<VectorTable & { spelled: boolean; kind: string }>`
    select c.oid::text, c.relkind as kind, n.nspname as schema, c.relname as table, n.nspname = ${schema} and c.relname = ${table} as spelled
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where (n.nspname = ${schema} and c.relname = ${table}) or n.nspname || '.' || c.relname = ${name}
      or (n.nspname = ${watched.schema} and c.relname = ${name})
    order by spelled desc limit 1`.execute(db);
  const [found] = rows;
  if (found !== undefined && !["r", "p"].includes(found.kind)) {
    throw new SetupError(
      `${found.schema}.${found.table} is there already, and is no table that can hold vectors.`,
      "Name another with --into: it is made where it is missing.",
    );
  }
  return found ?? { schema, table, oid: null };
}

/** Makes the table of vectors: the key, referring to the watched table, and the vector. @throws {SetupError} where the key cannot be referred to. */
export async function createVectorTable(
  transaction: Database,
  watched: FoundTable,
  vectors: VectorTable,
  key: readonly string[] | undefined,
  column: VectorColumn,
): Promise<void> {
  const names = key ?? (await primaryKey(transaction, watched));
  const keys = sql.join(names.map((name) => sql.id(name)));
  const from = sql.id(watched.schema, watched.table);
  const table = sql.id(vectors.schema, vectors.table);
  try {
    // So that the key's types and collations are the watched table's own.
    await sql`create table ${table} as select ${keys} from ${from} with no data`.execute(transaction);
    await sql`alter table ${table} add column ${sql.id(column.name)} ${await columnType(transaction, column)}, add primary key (${keys}),
      add foreign key (${keys}) references ${from} (${keys}) on delete cascade on update cascade`.execute(
      transaction,
    );
  } catch (error) {
    throw explainForeignKey(error, watched, names);
  }
  await closeTable(transaction, vectors);
}

/**
 * Leaves what was just made to its owner: row-level security of the watched table does not protect it, and default
 * privileges may have let any role in.
 */
export async function closeTable(transaction: Database, table: TableName): Promise<void> {
  await sql`select autoembed.close_table(${quoted(table)}::regclass)`.execute(transaction);
}

/** What a foreign key to the watched table's key needs, where the error says that it cannot be made. */
export function explainForeignKey(error: unknown, watched: FoundTable, key: readonly string[]): unknown {
  if (!(error instanceof pg.DatabaseError) || error.code !== NO_UNIQUE_CONSTRAINT) return error;
  return new SetupError(
    `A foreign key cannot refer to (${key.join(", ")}) of ${watched.schema}.${watched.table}.`,
    "It needs a primary key, or a unique index on just these columns, not deferrable. Or leave out --into.",
    { cause: error },
  );
}

/**
 * Makes the view `TABLE_with_COLUMN`, beside the table of vectors: the watched table's columns and the vector. It asks
 * for its reader's own rights where Postgres can (15). Nothing of ours reads it, and one that is there is left alone.
 * @returns its name, qualified and quoted.
 */
export async function createVectorView(
  transaction: Database,
  watched: FoundTable,
  vectors: VectorTable,
  key: readonly string[],
  column: string,
): Promise<string> {
  const name = identifierOf(watched.table, `_with_${column}`);
  const { rows } = await sql<{ name: string; exists: boolean; invoker: boolean; columns: string[] }>`
    select format('%I.%I', ${vectors.schema}::text, ${name}::text) as name,
      to_regclass(format('%I.%I', ${vectors.schema}::text, ${name}::text)) is not null as exists,
      current_setting('server_version_num')::int >= 150000 as invoker,
      array(select attname::text from pg_attribute where attrelid = ${watched.oid}::oid and attnum > 0 and not attisdropped
        and attname <> ${column} order by attnum) as columns`.execute(transaction);
  const [found] = rows;
  if (found === undefined) throw new Error("no answer about a view");
  if (found.exists) return found.name;
  const same: RawBuilder<unknown> = sql.join(
    key.map((part) => sql`${sql.id("v", part)} = ${sql.id("t", part)}`),
    sql` and `,
  );
  await sql`create view ${sql.id(vectors.schema, name)} ${found.invoker ? sql`with (security_invoker = true)` : sql``} as
    select ${sql.join(found.columns.map((part) => sql.id("t", part)))}, ${sql.id("v", column)}
    from ${sql.id(watched.schema, watched.table)} t left join ${sql.id(vectors.schema, vectors.table)} v on ${same}`.execute(
    transaction,
  );
  await closeTable(transaction, { schema: vectors.schema, table: name });
  return found.name;
}

/** @throws {SetupError} where the table has none. */
export async function primaryKey(db: Database, { oid, schema, table }: FoundTable): Promise<string[]> {
  const { rows } = await sql<{ key: string[] | null }>`
    select autoembed.primary_key(${oid}::oid::regclass) as key`.execute(db);
  const key = rows[0]?.key ?? null;
  if (key !== null) return key;
  throw new SetupError(
    `${schema}.${table} has no primary key.`,
    "Name columns that are NOT NULL and have a unique index as its --key.",
  );
}
