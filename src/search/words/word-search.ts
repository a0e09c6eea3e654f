import type { RawBuilder } from "kysely";
import type { Condition } from "../filter.ts";
import type { Language, WordIndex } from "./word-index.ts";

export interface WordSearch {
  /** Of the question without its signs: see `parseQuestion`. */
  readonly lexemes: readonly string[];
  readonly language: Language;
  /** The index of the words in that language; undefined where there is none. */
  readonly index: WordIndex | undefined;
  /** Whether only the beginnings of long texts are parsed, where there is no index. */
  readonly cutsTexts: boolean;
  /** Whether words that very many rows have are read from the index too: see `RankedByWords.asked`. */
  readonly readsAll: boolean;
  readonly condition: Condition | undefined;
  readonly limit: number;
}

export type IndexedSearch = WordSearch & { readonly index: WordIndex };

/** The CTEs `parsed (key, words)`, the rows to be ranked, and `asked (lexeme, weight)`, which may read `matches`. */
export interface ParsedRows {
  readonly parsed: RawBuilder<unknown>;
  readonly asked: RawBuilder<unknown>;
}
