import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { quoted } from "../database/identifier.ts";
import { invocation } from "../invocation.ts";
import type { Source } from "../sources/source.ts";
import { problem, type Finding } from "./finding.ts";

/** Checks that the key's text stays the same while the row does, and that its columns are those of an index. */
export async function examineKey(db: Database, source: Source): Promise<Finding[]> {
  return [...(await includedColumns(db, source)), ...(await varyingColumn(db, source))];
}

/** `autoembed.watch()` once took a key of such a type: a value that names nothing any more stops the source. */
async function varyingColumn(db: Database, source: Source): Promise<Finding[]> {
  const { rows } = await sql<{ column: string | null }>`
    select autoembed.varying_key(${source.oid}::oid::regclass,
      (select s.key_columns from autoembed.embedding_source s where s.id = ${source.id})) as column`.execute(
    db,
  );
  const column = rows[0]?.column ?? null;
  if (column === null) return [];
  const { schema, table, name, textExpression } = source;
  const options = ["--name", name, "--text", textExpression, "--key", "COLUMN"];
  return [
    problem(
      `its key ${column} of ${quoted(source)} is spelled in another way after a rename or in other sessions: rows are embedded again then, and one value that cannot be read stops the source.`,
      `Watch it again by a key of another type, with the other options that it had: ${invocation("watch", [`${schema}.${table}`, ...options])}`,
    ),
  ];
}

/**
 * Checks that the key has no column that the index of the primary key only includes, `primary key (id) include (body)`: it
 * tells no rows apart. `autoembed.watch()` once took it for a part of the key.
 */
async function includedColumns(db: Database, source: Source): Promise<Finding[]> {
  const { rows } = await sql<{ name: string }>`
    select a.attname::text as name
    from autoembed.embedding_source s join pg_index i on i.indrelid = s.watched_table and i.indisprimary
    join pg_attribute a on a.attrelid = i.indrelid and a.attname = any(s.key_columns)
      and a.attnum = any((i.indkey::int2[])[i.indnkeyatts:])
    where s.id = ${source.id} and not exists (
      select from pg_attribute k where k.attrelid = i.indrelid and k.attnum = any((i.indkey::int2[])[0:i.indnkeyatts - 1])
        and k.attname <> all(s.key_columns))
    order by a.attnum`.execute(db);
  if (rows.length === 0) return [];
  const { schema, table, name, key, textExpression } = source;
  const again = invocation("watch", [`${schema}.${table}`, "--name", name, "--text", textExpression]);
  return [
    problem(
      `its key (${key.map((column) => column.name).join(", ")}) of ${quoted(source)} has ${rows.map((column) => column.name).join(", ")}, which the index of the primary key only includes: its values are in the queue, the ledger and the log lines of failed rows.`,
      `Watch it again, with the other options that it had: ${again}`,
    ),
  ];
}
