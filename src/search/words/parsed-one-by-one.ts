import { sql, type RawBuilder } from "kysely";
import { queueKey, watchedTexts } from "../../sources/source-sql.ts";
import type { Source } from "../../sources/source.ts";
import { wordsOf } from "./word-index.ts";
import type { ParsedRows, WordSearch } from "./word-search.ts";
import { queryOf } from "./word-weights.ts";

/** Every row that has one of the lexemes. Each text is parsed; so it is known exactly how many texts have a word. */
export function parsedOneByOne(
  source: Source,
  { language, condition }: WordSearch,
  lexemes: readonly string[],
  content: RawBuilder<unknown>,
): ParsedRows {
  const rows = watchedTexts(source, condition?.(source));
  return {
    parsed: sql`parsed as materialized (
      select p.key, p.words from (
        select ${queueKey(source, "t")} as key, ${wordsOf(language, content)} as words from ${rows} t offset 0) p
      where p.words @@ ${queryOf(...lexemes)}
    )`,
    asked: sql`asked as materialized (
      select d.lexeme, ln(1 + greatest(0, n.texts - d.texts + 0.5) / (d.texts + 0.5)) as weight
      from (select w.lexeme, count(*) as texts from matches m cross join unnest(m.lexemes) w(lexeme) group by w.lexeme) d
      cross join (select count(*) as texts from ${rows} t) n
    )`,
  };
}
