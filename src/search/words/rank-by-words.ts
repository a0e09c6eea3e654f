import { sql } from "kysely";
import type { Database } from "../../database/connect.ts";
import type { Source } from "../../sources/source.ts";
import { apart, heldBeside, heldByEach, heldTogether, parsedByIndex } from "./parsed-by-index.ts";
import { parsedOneByOne } from "./parsed-one-by-one.ts";
import type { ParsedRows, WordSearch } from "./word-search.ts";
import { weighWords } from "./word-weights.ts";

/** A row that has at least one of the words. */
export interface WordMatch {
  readonly key: string;
  /** BM25. */
  readonly score: number;
}

/** The usual constants of BM25: how soon a repeated word counts no more, and how much a text's length does. */
const K1 = sql.lit(1.2);
const B = sql.lit(0.75);
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
export async function rankByWords(db: Database, source: Source, search: WordSearch): Promise<WordMatch[]> {
  const { lexemes } = search;
  if (lexemes.length === 0) return [];
  if (!search.isIndexed) {
    const content = search.cutsTexts ? sql`left(t.content, ${sql.lit(PARSED_CHARACTERS)})` : sql`t.content`;
    return await rank(db, search, lexemes, parsedOneByOne(source, search, lexemes, content));
  }
  const asked = await weighWords(db, source, search.language, lexemes);
  return await byIndexAlone(db, async (alone) => {
    const words = apart(asked);
    // The rarest words may be misspelled, and no row may have all of the others: then each finds rows.
    const ways = [
      heldTogether(words),
      heldBeside(words),
      words.frequent.length > 0 ? heldByEach(asked) : undefined,
    ];
    let found: WordMatch[] = [];
    for (const held of ways) {
      if (held === undefined || found.length >= search.limit) continue;
      found = await rank(alone, search, lexemes, parsedByIndex(source, search, held, asked));
    }
    return found;
  });
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
  { limit }: WordSearch,
  lexemes: readonly string[],
  { parsed, asked }: ParsedRows,
): Promise<WordMatch[]> {
  const { rows } = await sql<WordMatch>`
    with ${parsed}, matches as materialized (
      select p.key, l.* from parsed p cross join lateral (
        select sum(cardinality(w.positions)) as length,
          array_agg(w.lexeme) filter (where w.lexeme = any(${lexemes})) as lexemes,
          array_agg(cardinality(w.positions)) filter (where w.lexeme = any(${lexemes})) as times
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
