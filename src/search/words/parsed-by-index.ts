import { sql, type RawBuilder } from "kysely";
import { isSameRow, keysOf, queueKey, watchedTexts } from "../../sources/source-sql.ts";
import type { Source } from "../../sources/source.ts";
import { wordsOf } from "./word-index.ts";
import type { ParsedRows, WordSearch } from "./word-search.ts";
import { queryOf, type AskedWord } from "./word-weights.ts";

/** Rows that are parsed, at least: each costs a tenth of a millisecond or more, by its length. */
const PARSED_ROWS = 100;
/** Rows that are found by the rarest words; from then on, more frequent words only add to their weights. */
const ENOUGH_ROWS = 2_000;

/**
 * The rows with the greatest sums of weights, by the index, and of equal ones the shortest, as BM25 has it: of all others no
 * text is read.
 * @param rare at least one of these is in each row
 */
export function parsedByIndex(
  source: Source,
  { language, condition, limit }: WordSearch,
  rare: readonly AskedWord[],
  frequent: readonly AskedWord[],
): ParsedRows {
  const asked = [...rare, ...frequent];
  const rows = watchedTexts(source, condition?.(source));
  const words = wordsOf(language, sql`t.content`);
  // The length of a column is known without reading it.
  const length = source.textIsColumn ? sql`octet_length(t.content)` : sql`0`;
  const holding = (query: RawBuilder<unknown>, { weight }: AskedWord): RawBuilder<unknown> =>
    sql`select ${keysOf(source, "t")}, ${weight}::float8 as weight, ${length} as length from ${rows} t where ${words} @@ ${query}`;
  const anyRare = queryOf(...rare.map(({ lexeme }) => lexeme));
  const held = [
    ...rare.map((word) => holding(queryOf(word.lexeme), word)),
    ...frequent.map((word) => holding(sql`(${anyRare} && ${queryOf(word.lexeme)})`, word)),
  ];
  const keys = keysOf(source, "h");
  return {
    parsed: sql`candidates as materialized (
      select ${keys} from (${sql.join(held, sql` union all `)}) h
      group by ${keys} order by sum(h.weight) desc, min(h.length), ${keys} limit ${Math.max(PARSED_ROWS, limit)}
    ), parsed as materialized (
      select ${queueKey(source, "t")} as key, ${words} as words
      from candidates c join ${watchedTexts(source)} t on ${isSameRow(source, "c", "t")}
    )`,
    asked: sql`asked as materialized (
      select * from unnest(${asked.map(({ lexeme }) => lexeme)}::text[], ${asked.map(({ weight }) => weight)}::float8[])
        a(lexeme, weight)
    )`,
  };
}

/**
 * The words that find enough rows, and those that more rows have. Words that are estimated alike are of one kind.
 * @param asked the rarest first
 */
export function apart(asked: readonly AskedWord[]): { rare: AskedWord[]; frequent: AskedWord[] } {
  const rare: AskedWord[] = [];
  const frequent: AskedWord[] = [];
  let found = 0;
  for (const word of asked) {
    const isRare = found < ENOUGH_ROWS || word.texts === rare.at(-1)?.texts;
    (isRare ? rare : frequent).push(word);
    found += word.texts;
  }
  return { rare, frequent };
}
