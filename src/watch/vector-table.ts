import { sql, type RawBuilder } from "kysely";
import pg from "pg";
import { identifierOf, quoted } from "../database/identifier.ts";
import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import type { TableName } from "../database/identifier.ts";
import { nameParts, type FoundTable } from "./find-table.ts";
import { markAsMade } from "./made-by-us.ts";
import { columnType, type VectorColumn } from "./vector-column.ts";

/** A separate table for the vectors of a watched table. */
export interface VectorTable extends TableName {
  /** Null if the table does not exist yet. */
  readonly oid: string | null;
}

const NO_UNIQUE_CONSTRAINT = "42830";

/** Finds the table named for the vectors of `watched`. A name without a schema means the watched table's schema. */
export async function findVectorTable(db: Database, name: string, watched: FoundTable): Promise<VectorTable> {
  const [schema = watched.schema, table] = nameParts(name);
  if (table === undefined)
    throw new SetupError(
      `${JSON.stringify(name)} is not a table name.`,
      "Such as: --into documents_embeddings",
    );
  const { rows } = await sql<VectorTable & { spelled: boolean; kind: string }>`
    select c.oid::text, c.relkind as kind, n.nspname as schema, c.relname as table, n.nspname = ${schema} and c.relname = ${table} as spelled
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where (n.nspname = ${schema} and c.relname = ${table}) or n.nspname || '.' || c.relname = ${name}
      or (n.nspname = ${watched.schema} and c.relname = ${name})
    order by spelled desc limit 1`.execute(db);
  const [found] = rows;
  if (found !== undefined && !["r", "p"].includes(found.kind)) {
    throw new SetupError(
      `${found.schema}.${found.table} exists, but is not a table that can hold vectors.`,
      "Name another table with --into. A missing table is created.",
    );
  }
  const vectors = found ?? { schema, table, oid: null };
  if (isReserved(vectors.schema)) {
    throw new SetupError(
      `The vectors of ${watched.schema}.${watched.table} cannot be kept in the schema ${vectors.schema}, which belongs to Postgres or to pg-autoembed.`,
      "Name a table in a schema of yours with --into.",
    );
  }
  return vectors;
}

/** As `autoembed.check_vector_table` has it. In our schema, `uninstall` would find a table of the user's. */
function isReserved(schema: string): boolean {
  return schema === "autoembed" || schema === "information_schema" || schema.startsWith("pg_");
}

/**
 * Creates the table of vectors: the key, with a foreign key to the watched table, and the vector.
 * @throws {SetupError} if a foreign key cannot refer to the key.
 */
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
    // `create table as` copies the key's types and collations.
    await sql`create table ${table} as select ${keys} from ${from} with no data`.execute(transaction);
    await sql`alter table ${table} add column ${sql.id(column.name)} ${await columnType(transaction, column)}, add primary key (${keys}),
      add foreign key (${keys}) references ${from} (${keys}) on delete cascade on update cascade`.execute(
      transaction,
    );
  } catch (error) {
    throw explainForeignKey(error, watched, names);
  }
  await markAsMade(transaction, "table", table, "the vectors of another table's rows.");
  await markAsMade(transaction, "column", sql.id(vectors.schema, vectors.table, column.name), "the vector.");
  await closeTable(transaction, vectors);
}

/**
 * Leaves what was just made to its owner: row-level security of the watched table does not protect it, and default
 * privileges may have let any role in.
 */
export async function closeTable(transaction: Database, table: TableName): Promise<void> {
  await sql`select autoembed.close_table(${quoted(table)}::regclass)`.execute(transaction);
}

/** If `error` says that the foreign key cannot be made, a SetupError that says what it needs; else `error`. */
export function explainForeignKey(error: unknown, watched: FoundTable, key: readonly string[]): unknown {
  if (!(error instanceof pg.DatabaseError) || error.code !== NO_UNIQUE_CONSTRAINT) return error;
  return new SetupError(
    `A foreign key cannot refer to (${key.join(", ")}) of ${watched.schema}.${watched.table}.`,
    "These columns need a primary key, or a unique index on exactly them that is not deferrable. Or leave out --into.",
    { cause: error },
  );
}

/**
 * Creates the view `TABLE_with_COLUMN` in the schema of the table of vectors: the watched table's columns and the
 * vector. On Postgres 15 and later it is a `security_invoker` view; before, it would show rows that row-level security
 * hides, so a table that has that gets none. pg-autoembed never reads it. An existing view is kept.
 * @returns the view's name, qualified and quoted; null where none is made.
 */
export async function createVectorView(
  transaction: Database,
  watched: FoundTable,
  vectors: VectorTable,
  key: readonly string[],
  column: string,
): Promise<string | null> {
  const name = identifierOf(watched.table, `_with_${column}`);
  const { rows } = await sql<{
    name: string;
    exists: boolean;
    invoker: boolean;
    secured: boolean;
    columns: string[];
  }>`
    select format('%I.%I', ${vectors.schema}::text, ${name}::text) as name,
      to_regclass(format('%I.%I', ${vectors.schema}::text, ${name}::text)) is not null as exists,
      current_setting('server_version_num')::int >= 150000 as invoker,
      (select relrowsecurity from pg_class where oid = ${watched.oid}::oid) as secured,
      array(select attname::text from pg_attribute where attrelid = ${watched.oid}::oid and attnum > 0 and not attisdropped
        and attname <> ${column} order by attnum) as columns`.execute(transaction);
  const [found] = rows;
  if (found === undefined) throw new Error("no answer about a view");
  if (found.exists) return found.name;
  if (found.secured && !found.invoker) return null;
  const same: RawBuilder<unknown> = sql.join(
    key.map((part) => sql`${sql.id("v", part)} = ${sql.id("t", part)}`),
    sql` and `,
  );
  await sql`create view ${sql.id(vectors.schema, name)} ${found.invoker ? sql`with (security_invoker = true)` : sql``} as
    select ${sql.join(found.columns.map((part) => sql.id("t", part)))}, ${sql.id("v", column)}
    from ${sql.id(watched.schema, watched.table)} t left join ${sql.id(vectors.schema, vectors.table)} v on ${same}`.execute(
    transaction,
  );
  await markAsMade(transaction, "view", sql.id(vectors.schema, name), "rows with their vectors.");
  await closeTable(transaction, { schema: vectors.schema, table: name });
  return found.name;
}

/** @throws {SetupError} if the table has no primary key. */
export async function primaryKey(db: Database, { oid, schema, table }: FoundTable): Promise<string[]> {
  const { rows } = await sql<{ key: string[] | null }>`
    select autoembed.primary_key(${oid}::oid::regclass) as key`.execute(db);
  const key = rows[0]?.key ?? null;
  if (key !== null) return key;
  throw new SetupError(
    `${schema}.${table} has no primary key.`,
    "With --key, name columns that are NOT NULL and have a unique index.",
  );
}
