import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { isDatabaseError } from "../database/database-fault.ts";
import { quoted } from "../database/identifier.ts";
import type { Source } from "../sources/source.ts";
import { ok, problem, type Finding } from "./finding.ts";

/** Postgres's code for what `check_foreign_key` raises, with the statement that makes the key as its hint. */
const INVALID_TABLE_DEFINITION = "42P16";

/** Checks the foreign key of a table of vectors: without it, a deleted row leaves its vector behind. */
export async function examineForeignKey(db: Database, source: Source): Promise<Finding[]> {
  const { oid, key, vectorTable } = source;
  if (vectorTable === null) return [];
  const name = quoted(vectorTable);
  try {
    await sql`
      select autoembed.check_foreign_key(${vectorTable.oid}::oid::regclass, ${oid}::oid::regclass,
        ${key.map((column) => column.name)}::text[])`.execute(db);
    return [ok(`its vectors are in ${name}, with a foreign key to its rows`)];
  } catch (error) {
    if (!isDatabaseError(error) || error.code !== INVALID_TABLE_DEFINITION) throw error;
    return [
      problem(
        `${name} has lost its foreign key: the vectors of deleted rows stay there.`,
        `Delete the vectors that have no row, then: ${error.hint ?? ""}`,
      ),
    ];
  }
}
