import { sql, type RawBuilder } from "kysely";
import type { Database } from "../../database/connect.ts";
import { askingFor } from "../../database/storing.ts";
import type { Source } from "../../sources/source.ts";
import { planIn, type Explained } from "../plan.ts";
import { watchedWords, wordsOf, type Language, type WordIndex } from "./word-index.ts";

export interface AskedWord {
  readonly lexeme: string;
  /** Texts that have it, as the planner estimates. */
  readonly texts: number;
  /** Inverse document frequency, as BM25 has it: rare words count more. */
  readonly weight: number;
}

/** Words of a question that are looked for, at most: a question may be a whole text. */
const MOST_WORDS = 64;

/** The lexemes of a question. */
export async function lexemesOf(db: Database, language: Language, asked: string): Promise<string[]> {
  const { rows } = await askingFor(asked, (words) =>
    sql<{ lexeme: string }>`
      select w.lexeme from unnest(${wordsOf(language, sql`${words}::text`)}) w
      order by w.positions[1] limit ${MOST_WORDS}`.execute(db),
  );
  return rows.map(({ lexeme }) => lexeme);
}

/**
 * How rare each word is, the rarest first. Postgres keeps statistics of the words in an index, and its planner knows them
 * whoever asks: so no row is read, and no table of ours is needed. A word that is none of the most common counts as half
 * as frequent as the rarest of these.
 */
export async function weighWords(
  db: Database,
  source: Source,
  index: WordIndex,
  lexemes: readonly string[],
): Promise<AskedWord[]> {
  const rows = watchedWords(source, index);
  const having = lexemes.map(
    (lexeme) => sql`(select from ${rows} t where t.words @@ ${queryOf(lexeme)} offset 0)`,
  );
  // Each branch stays a node of the plan for its "offset", also where the table has partitions.
  const branches = [sql`(select from ${rows} t offset 0)`, ...having];
  const { rows: explained } = await sql<Explained>`
    explain (format yaml) ${sql.join(branches, sql` union all `)}`.execute(db);
  const [all = 0, ...estimates] = planIn(explained).rowsOfParts;
  return lexemes
    .map((lexeme, i) => {
      const texts = estimates[i] ?? 1;
      return { lexeme, texts, weight: inverseFrequency(texts, all) };
    })
    .sort((a, b) => b.weight - a.weight);
}

/** @param texts that have the word, of `all` */
function inverseFrequency(texts: number, all: number): number {
  return Math.log(1 + Math.max(0, all - texts + 0.5) / (texts + 0.5));
}

/** The CTE `asked (lexeme, weight)`. */
export function weightsOf(asked: readonly AskedWord[]): RawBuilder<unknown> {
  return sql`asked as materialized (
      select * from unnest(${asked.map(({ lexeme }) => lexeme)}::text[], ${asked.map(({ weight }) => weight)}::float8[])
        a(lexeme, weight)
    )`;
}

/** A query for the lexemes themselves, any of them: they are in their normal form already. */
export function queryOf(...lexemes: readonly string[]): RawBuilder<unknown> {
  const quoted = lexemes.map((lexeme) => `'${lexeme.replaceAll(/['\\]/g, "$&$&")}'`);
  return sql`${quoted.join(" | ")}::tsquery`;
}
