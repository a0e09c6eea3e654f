import { sql, type RawBuilder } from "kysely";
import { isDatabaseError } from "../../database/database-fault.ts";
import type { Database } from "../../database/connect.ts";
import { UsageError } from "../../errors.ts";
import { watchedTexts } from "../../sources/source-sql.ts";
import type { Source } from "../../sources/source.ts";

/** The OID of a text search configuration, in digits: a name could be anything. */
export type Language = string;

/** A GIN index of the words of a source's texts. */
export interface WordIndex {
  readonly language: Language;
  /** What it has of a row, over the columns of the watched table: the words of an expression, or a column that has them. */
  readonly words: RawBuilder<unknown>;
  /** They are those of the text exactly; otherwise, of the same columns. */
  readonly isExact: boolean;
}

/** The words of a text. */
export function wordsOf(language: Language, text: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`to_tsvector(${sql.lit(language)}::regconfig, ${text})`;
}

/** The watched texts as `watchedTexts` has them, with their `words`: those of the index. */
export function watchedWords(
  source: Source,
  { words }: WordIndex,
  condition?: RawBuilder<unknown>,
): RawBuilder<unknown> {
  return watchedTexts(source, condition, sql`, ${words} as words`);
}

/** @throws {UsageError} where no configuration has that name */
export async function findLanguage(db: Database, name: string): Promise<Language> {
  try {
    const { rows } = await sql<{ oid: string }>`select ${name}::text::regconfig::oid::text as oid`.execute(
      db,
    );
    return rows[0]?.oid ?? "";
  } catch (error) {
    if (!isDatabaseError(error) || !/^(?:42|22|3F)/.test(error.code)) throw error;
    throw new UsageError(
      `The text search configuration ${JSON.stringify(name)} does not exist.`,
      "psql lists them by \\dF; english and simple are always there.",
    );
  }
}
