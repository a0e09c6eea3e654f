import { sql, type RawBuilder } from "kysely";
import type { Database } from "../../database/connect.ts";
import { askingFor } from "../../database/storing.ts";
import { contentOf } from "../../sources/source-sql.ts";
import type { Condition } from "../filter.ts";
import { wordsOf, type Language, type WordIndex } from "./word-index.ts";

/**
 * A row has what a question requires of it: see `parseQuestion`. Undefined where nothing is required, or nothing but words
 * that say nothing in that language, such as "the".
 */
export async function requirement(
  db: Database,
  { language, wordIndex }: { readonly language: Language; readonly wordIndex: WordIndex | undefined },
  required: string,
): Promise<Condition | undefined> {
  if (required === "") return undefined;
  const queryOf = (words: string): RawBuilder<unknown> =>
    sql`websearch_to_tsquery(${sql.lit(language)}::regconfig, ${words}::text)`;
  const { says, query } = await askingFor(required, async (words) => {
    const query = queryOf(words);
    const { rows } = await sql<{ says: boolean }>`select numnode(${query}) > 0 as says`.execute(db);
    return { says: rows[0]?.says === true, query };
  });
  if (!says) return undefined;
  return (source) => sql`${wordIndex?.words ?? wordsOf(language, contentOf(source))} @@ ${query}`;
}
