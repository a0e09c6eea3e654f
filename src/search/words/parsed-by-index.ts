import { sql, type RawBuilder } from "kysely";
import { isSameRow, keysOf, queueKey } from "../../sources/source-sql.ts";
import type { Source } from "../../sources/source.ts";
import { watchedWords } from "./word-index.ts";
import type { IndexedSearch, ParsedRows } from "./word-search.ts";
import { queryOf, weightsOf, type AskedWord } from "./word-weights.ts";

/** Rows that are parsed, at least: each costs a tenth of a millisecond or more, by its length. */
const PARSED_ROWS = 60;
/** Rows that are found by the rarest words; from then on, more frequent words only add to their weights. */
const ENOUGH_ROWS = 2_000;
/** Rows that a word finds, at most: to look at more would take longer than an answer may. */
const MOST_ROWS = 5_000;
/**
 * A word that more rows have, and one in twenty of all, is not read from the index where the rows nearest by meaning can be
 * ranked instead: of 100,000 rows, that takes 15 ms and more, and what so many texts have tells few of them apart.
 */
const MOST_READ = 30_000;
const WEIGHT_OF_ONE_IN_TWENTY = Math.log(20);
/** Of the frequent words, the rarest that add to the weight of rows with a rare one: for each, the index is read once more. */
const MOST_ADDED = 8;
/** If every word is too frequent, rows must have all of this many, the rarest: these say the most, and the index reads the rows of each. */
const MOST_TOGETHER = 3;

/** Rows of an index that have what a query says, and what that counts. */
interface Held {
  readonly query: RawBuilder<unknown>;
  readonly weight: number;
}

/** The words that find rows by themselves, and those that more rows have, or too many. */
export interface Apart {
  readonly rare: readonly AskedWord[];
  readonly frequent: readonly AskedWord[];
}

/** Words that are estimated alike are of one kind. @param asked the rarest first */
export function apart(asked: readonly AskedWord[]): Apart {
  const rare: AskedWord[] = [];
  const frequent: AskedWord[] = [];
  let found = 0;
  for (const word of asked) {
    const isRare = word.texts <= MOST_ROWS && (found < ENOUGH_ROWS || word.texts === rare.at(-1)?.texts);
    (isRare ? rare : frequent).push(word);
    found += word.texts;
  }
  return { rare, frequent };
}

/** Ways to find rows, the best first. */
export interface Ways {
  readonly ways: readonly (readonly Held[])[];
  /** Whether rows that have nothing but very frequent words are found by none of them. */
  readonly areShort: boolean;
}

/**
 * The rarest words may be misspelled, and no row may have all of the others: then each finds rows.
 * @param asked the rarest first
 * @param readsAll whether very frequent words are read too
 */
export function waysTo(asked: readonly AskedWord[], readsAll: boolean): Ways {
  const isRead = ({ texts, weight }: AskedWord): boolean =>
    readsAll || texts <= MOST_READ || weight > WEIGHT_OF_ONE_IN_TWENTY;
  const { rare, frequent } = apart(asked);
  // The index reads as many rows of the others as the rarest has.
  const all = frequent.slice(0, 1).some(isRead) ? heldByAll(frequent) : [];
  const areMany = frequent.some(({ texts }) => texts > MOST_ROWS);
  const read = frequent.filter(isRead);
  const ways = [
    rare.length > 0 ? heldTogether(rare, frequent) : all,
    rare.length > 0 && areMany && all.length > 0 ? [...heldByEach(rare), ...all] : [],
    read.length > 0 ? heldByEach([...rare, ...read]) : [],
  ];
  return { ways: ways.filter((held) => held.length > 0), areShort: !frequent.every(isRead) };
}

/** Rows that have one of the rare words, whatever else they have. */
function heldTogether(rare: readonly AskedWord[], frequent: readonly AskedWord[]): readonly Held[] {
  const anyRare = queryOf(...rare.map(({ lexeme }) => lexeme));
  return [
    ...heldByEach(rare),
    ...frequent
      .slice(0, MOST_ADDED)
      .map(({ lexeme, weight }) => ({ query: sql`(${anyRare} && ${queryOf(lexeme)})`, weight })),
  ];
}

function heldByAll(words: readonly AskedWord[]): readonly Held[] {
  const rarest = words.slice(0, MOST_TOGETHER);
  const all = sql.join(
    rarest.map(({ lexeme }) => queryOf(lexeme)),
    sql` && `,
  );
  return [{ query: sql`(${all})`, weight: rarest.reduce((sum, { weight }) => sum + weight, 0) }];
}

/** Rows that have any of the words; of a frequent one, not all. */
function heldByEach(asked: readonly AskedWord[]): readonly Held[] {
  return asked.map(({ lexeme, weight }) => ({ query: queryOf(lexeme), weight }));
}

/**
 * The rows with the greatest sums of weights, by the index, and of equal ones the shortest, as BM25 has it: of all others no
 * text is read.
 */
export function parsedByIndex(
  source: Source,
  { index, condition, limit }: IndexedSearch,
  held: readonly Held[],
  asked: readonly AskedWord[],
): ParsedRows {
  const rows = watchedWords(source, index, condition?.(source));
  // The length of a column is known without reading it.
  const length = source.textIsColumn ? sql`octet_length(t.content)` : sql`0`;
  const holding = held.map(
    ({
      query,
      weight,
    }) => sql`(select ${keysOf(source, "t")}, ${weight}::float8 as weight, ${length} as length
      from ${rows} t where t.words @@ ${query} limit ${sql.lit(MOST_ROWS)})`,
  );
  const keys = keysOf(source, "h");
  return {
    parsed: sql`candidates as materialized (
      select ${keys} from (${sql.join(holding, sql` union all `)}) h
      group by ${keys} order by sum(h.weight) desc, min(h.length), ${keys} limit ${Math.max(PARSED_ROWS, limit)}
    ), parsed as materialized (
      select ${queueKey(source, "t")} as key, t.words
      from candidates c join ${watchedWords(source, index)} t on ${isSameRow(source, "c", "t")}
    )`,
    asked: weightsOf(asked),
  };
}
