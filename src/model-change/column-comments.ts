import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import type { Source } from "../sources/source.ts";

/**
 * Swaps the comments of the vector columns of two sources of one table, whose names are about to be swapped: what is said
 * of a column stays with its name, and so does who made it.
 */
export async function swapComments(transaction: Database, live: Source, other: Source): Promise<void> {
  const { schema, table } = live.vectorTable ?? live;
  const { rows } = await sql<{ column: string; comment: string | null }>`
    select attname as column, col_description(attrelid, attnum) as comment from pg_attribute
    where attrelid = format('%I.%I', ${schema}::text, ${table}::text)::regclass
      and attname in (${live.vectorColumn}, ${other.vectorColumn})`.execute(transaction);
  for (const { column, comment } of rows) {
    const to = column === live.vectorColumn ? other.vectorColumn : live.vectorColumn;
    const value = comment === null ? sql`null` : sql.lit(comment);
    await sql`comment on column ${sql.id(schema, table, to)} is ${value}`.execute(transaction);
  }
}
