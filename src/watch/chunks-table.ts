import { sql } from "kysely";
import { identifierOf } from "../database/identifier.ts";
import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import type { FoundTable } from "./find-table.ts";
import { columnType, type VectorColumn } from "./vector-column.ts";
import { closeTable, explainForeignKey, primaryKey, type VectorTable } from "./vector-table.ts";

/** What is said of a passage beside the key of its row and its vector. */
const COLUMNS = ["passage_id", "chunk", "start_char", "end_char", "passage"];

/**
 * Makes a table of passages. A passage has a key of its own, so that one whose number changes, since another came before
 * it, is neither embedded again nor put into the vectors' index again: its number and range are in no index, and an
 * update of them stays on its page while there is room.
 * @throws {SetupError} where the watched table's key cannot be referred to.
 */
export async function createChunksTable(
  transaction: Database,
  watched: FoundTable,
  passages: VectorTable,
  key: readonly string[] | undefined,
  column: VectorColumn,
): Promise<void> {
  const names = key ?? (await primaryKey(transaction, watched));
  const clash = [...COLUMNS, column.name].find((name) => names.includes(name));
  if (clash !== undefined) {
    throw new SetupError(
      `The key of ${watched.schema}.${watched.table} has a column ${clash}, and so have passages.`,
      "Rename it, or choose another --key.",
    );
  }
  const keys = sql.join(names.map((name) => sql.id(name)));
  const from = sql.id(watched.schema, watched.table);
  const table = sql.id(passages.schema, passages.table);
  try {
    // So that the key's types and collations are the watched table's own.
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
    await sql`create index ${sql.id(identifierOf(passages.table, "_of"))} on ${table} (${keys})`.execute(
      transaction,
    );
  } catch (error) {
    throw explainForeignKey(error, watched, names);
  }
  await closeTable(transaction, passages);
}
