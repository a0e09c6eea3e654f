import { sql } from "kysely";
import type { Database } from "../../database/connect.ts";
import type { Source } from "../../sources/source.ts";
import { parsedByIndex, waysTo, type Ways } from "./parsed-by-index.ts";
import { parsedByKey } from "./parsed-by-key.ts";
import { parsedOneByOne } from "./parsed-one-by-one.ts";
import type { IndexedSearch, ParsedRows, WordSearch } from "./word-search.ts";
import { weighWords, type AskedWord } from "./word-weights.ts";

/** A row that has at least one of the words. */
export interface WordMatch {
  readonly key: string;
  /** BM25. */
  readonly score: number;
}

export interface RankedByWords {
  /** The best first. */
  readonly matches: readonly WordMatch[];
  /**
   * The words, where fewer rows than wanted were found because very many rows have the others, which were not read from the index. Rows
   * that are found in another way can be ranked by them: see `rankRows`.
   */
  readonly asked?: readonly AskedWord[];
}

/** The usual constants of BM25: how soon a repeated word counts no more, and how much a text's length does. */
const K1 = sql`1.2::float8`;
const B = sql`0.75::float8`;
/** How often a text has the word `w`. */
const times = sql`cardinality(w.positions)`;
/** For the rows that an index finds: 16 bytes and more a block. */
const MEMORY_KB = 65_536;
/** Characters of each text that are parsed if one text has too many words: 100,000 stay below 1 MB in any script. */
const PARSED_CHARACTERS = 100_000;

/**
 * The rows that have any of the words, the best first, by BM25. With an index of the words, the rows with the greatest sum
 * of weights are found in the index, and only their texts are parsed; without one, every text is.
 * @param db a transaction whose search path is the role's, if there is a condition
 * @throws the database's error 54000 for a text with more words than Postgres indexes, unless texts are cut
 */
export async function rankByWords(db: Database, source: Source, search: WordSearch): Promise<RankedByWords> {
  const { lexemes, index } = search;
  if (lexemes.length === 0) return { matches: [] };
  if (index === undefined) {
    const content = search.cutsTexts ? sql`left(t.content, ${sql.lit(PARSED_CHARACTERS)})` : sql`t.content`;
    return { matches: await rank(db, search, parsedOneByOne(source, search, lexemes, content)) };
  }
  const asked = await weighWords(db, source, index, lexemes);
  const { ways, areShort } = waysTo(asked, search.readsAll);
  const matches =
    ways.length === 0
      ? []
      : await byIndexAlone(db, (alone) => firstToFind(alone, source, { ...search, index }, ways, asked));
  return areShort && matches.length < search.limit ? { matches, asked } : { matches };
}

async function firstToFind(
  db: Database,
  source: Source,
  search: IndexedSearch,
  ways: Ways["ways"],
  asked: readonly AskedWord[],
): Promise<WordMatch[]> {
  let found: WordMatch[] = [];
  for (const held of ways) {
    if (found.length >= search.limit) break;
    found = await rank(db, search, parsedByIndex(source, search, held, asked));
  }
  return found;
}

/**
 * Of the rows with these keys, those that have any of the words, the best first.
 * @param keys of rows that pass the search's condition
 */
export async function rankRows(
  db: Database,
  source: Source,
  search: IndexedSearch,
  asked: readonly AskedWord[],
  keys: readonly string[],
): Promise<WordMatch[]> {
  return await rank(db, search, parsedByKey(source, search, keys, asked));
}

/**
 * Postgres finds the rows that have a word by its index, also where it takes for granted that most have it: to read the
 * table, it would have to parse every text. With more memory it remembers each row, and not whole blocks, whose texts it would
 * parse.
 */
async function byIndexAlone<T>(db: Database, work: (db: Database) => Promise<T>): Promise<T> {
  const run = async (transaction: Database): Promise<T> => {
    await sql`select set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true),
      set_config('work_mem', greatest(pg_size_bytes(current_setting('work_mem')) / 1024, ${sql.lit(MEMORY_KB)}) || 'kB', true)`.execute(
      transaction,
    );
    return await work(transaction);
  };
  return db.isTransaction ? await run(db) : await db.transaction().execute(run);
}

async function rank(
  db: Database,
  { limit, lexemes }: WordSearch,
  { parsed, asked }: ParsedRows,
): Promise<WordMatch[]> {
  const { rows } = await sql<WordMatch>`
    with ${parsed}, matches as materialized (
      select p.key, l.* from parsed p cross join lateral (
        select sum(${times}) as length,
          array_agg(w.lexeme) filter (where w.lexeme = any(${lexemes})) as lexemes,
          array_agg(${times}) filter (where w.lexeme = any(${lexemes})) as times
        from unnest(p.words) w) l
    ), ${asked}, usual as (
      select avg(length) as length from matches
    )
    select m.key, sum(a.weight * w.times * (${K1} + 1)
      / (w.times + ${K1} * (1 - ${B} + ${B} * m.length / u.length)))::float8 as score
    from matches m cross join usual u cross join unnest(m.lexemes, m.times) w(lexeme, times)
    join asked a on a.lexeme = w.lexeme
    group by m.key order by score desc, m.key limit ${limit}`.execute(db);
  return rows;
}
