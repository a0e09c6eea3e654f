import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";

/**
 * How the comment on a column, table or view begins that `watch` or `remodel` made. An uninstall takes away what has it:
 * nothing else in the catalog tells it from what was there before. Dumps keep it, and renames leave it alone.
 */
export const MADE_BY_US = "Made by pg-autoembed: ";

/** Part of the transaction that makes the object. */
export async function markAsMade(
  transaction: Database,
  kind: "column" | "table" | "view",
  name: RawBuilder<unknown>,
  what: string,
): Promise<void> {
  await sql`comment on ${sql.raw(kind)} ${name} is ${sql.lit(MADE_BY_US + what)}`.execute(transaction);
}
