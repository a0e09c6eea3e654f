import { sql } from "kysely";
import { keyMatches } from "../../sources/source-sql.ts";
import type { Source } from "../../sources/source.ts";
import { watchedWords } from "./word-index.ts";
import type { IndexedSearch, ParsedRows } from "./word-search.ts";
import { weightsOf, type AskedWord } from "./word-weights.ts";

/** The rows with these keys, which were found in another way. */
export function parsedByKey(
  source: Source,
  { index }: IndexedSearch,
  keys: readonly string[],
  asked: readonly AskedWord[],
): ParsedRows {
  return {
    parsed: sql`parsed as materialized (
      select f.key, t.words
      from unnest(${keys}::text[]) f(key) join ${watchedWords(source, index)} t on ${keyMatches(source, "t", "f")}
    )`,
    asked: weightsOf(asked),
  };
}
