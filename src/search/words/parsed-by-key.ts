import { sql } from "kysely";
import { keyMatches, watchedTexts } from "../../sources/source-sql.ts";
import type { Source } from "../../sources/source.ts";
import { wordsOf } from "./word-index.ts";
import type { ParsedRows, WordSearch } from "./word-search.ts";
import { weightsOf, type AskedWord } from "./word-weights.ts";

/** The rows with these keys, which were found in another way. */
export function parsedByKey(
  source: Source,
  { language }: WordSearch,
  keys: readonly string[],
  asked: readonly AskedWord[],
): ParsedRows {
  return {
    parsed: sql`parsed as materialized (
      select f.key, ${wordsOf(language, sql`t.content`)} as words
      from unnest(${keys}::text[]) f(key) join ${watchedTexts(source)} t on ${keyMatches(source, "t", "f")}
    )`,
    asked: weightsOf(asked),
  };
}
