import { sql } from "kysely";
import type { Database } from "../../database/connect.ts";
import { contentOf } from "../../sources/source-sql.ts";
import type { Condition } from "../filter.ts";
import { wordsOf, type Language } from "./word-index.ts";

/**
 * A row has what a question requires of it: see `parseQuestion`. Undefined where nothing is required, or nothing but words
 * that say nothing in that language, such as "the".
 */
export async function requirement(
  db: Database,
  language: Language,
  required: string,
): Promise<Condition | undefined> {
  if (required === "") return undefined;
  const query = sql`websearch_to_tsquery(${sql.lit(language)}::regconfig, ${required}::text)`;
  const { rows } = await sql<{ says: boolean }>`select numnode(${query}) > 0 as says`.execute(db);
  if (rows[0]?.says !== true) return undefined;
  return (source) => sql`${wordsOf(language, contentOf(source))} @@ ${query}`;
}
