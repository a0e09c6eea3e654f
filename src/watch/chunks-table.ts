import { sql } from "kysely";
import { identifierOf } from "../database/identifier.ts";
import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import type { FoundTable } from "./find-table.ts";
import { markAsMade } from "./made-by-us.ts";
import { columnType, type VectorColumn } from "./vector-column.ts";
import { closeTable, explainForeignKey, primaryKey, type VectorTable } from "./vector-table.ts";

/** The columns of a chunk, without its row's key and its vector. */
const COLUMNS = ["passage_id", "chunk", "start_char", "end_char", "passage"];

/**
 * Creates a table of chunks. A chunk has a key of its own. So if its number changes because a chunk was inserted before
 * it, it is neither embedded nor indexed again: number and range are in no index, and updating them is a HOT update
 * while its page has room.
 * @throws {SetupError} if a foreign key cannot refer to the watched table's key.
 */
export async function createChunksTable(
  transaction: Database,
  watched: FoundTable,
  chunks: VectorTable,
  key: readonly string[] | undefined,
  column: VectorColumn,
): Promise<void> {
  const names = key ?? (await primaryKey(transaction, watched));
  const clash = [...COLUMNS, column.name].find((name) => names.includes(name));
  if (clash !== undefined) {
    throw new SetupError(
      `The key of ${watched.schema}.${watched.table} has a column ${clash}, which the table of chunks needs for itself.`,
      "Rename it, or choose another --key.",
    );
  }
  const keys = sql.join(names.map((name) => sql.id(name)));
  const from = sql.id(watched.schema, watched.table);
  const table = sql.id(chunks.schema, chunks.table);
  try {
    // `create table as` copies the key's types and collations.
    await sql`create table ${table} with (fillfactor = 70) as select ${keys} from ${from} with no data`.execute(
      transaction,
    );
    await sql`alter table ${table}
      add column passage_id bigint generated always as identity primary key,
      add column chunk int not null, add column start_char int not null, add column end_char int not null,
      add column passage text not null, add column ${sql.id(column.name)} ${await columnType(transaction, column)},
      ${sql.join(names.map((name) => sql`alter column ${sql.id(name)} set not null`))},
      add foreign key (${keys}) references ${from} (${keys}) on delete cascade on update cascade`.execute(
      transaction,
    );
    await sql`create index ${sql.id(identifierOf(chunks.table, "_of"))} on ${table} (${keys})`.execute(
      transaction,
    );
  } catch (error) {
    throw explainForeignKey(error, watched, names);
  }
  await markAsMade(transaction, "table", table, "the chunks of another table's texts, and their vectors.");
  await markAsMade(transaction, "column", sql.id(chunks.schema, chunks.table, column.name), "the vector.");
  await closeTable(transaction, chunks);
}
