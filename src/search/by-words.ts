import type { Database } from "../database/connect.ts";
import { isDatabaseError } from "../database/database-fault.ts";
import type { Asked } from "./asked.ts";
import { CANDIDATES } from "./fuse.ts";
import type { Searched } from "./searched.ts";
import { rankByWords, rankRows, type RankedByWords, type WordMatch } from "./words/rank-by-words.ts";
import type { WordSearch } from "./words/word-search.ts";

/** Reads rows of what is searched, as `runSearch` does. */
export type Read = <T>(work: (db: Database, searched: Searched) => Promise<T>) => Promise<T>;

/** The SQLSTATE for a text with more than 1 MB of different words. */
const TOO_MANY_WORDS = "54000";

/** The rows that a search ranks by words. It needs no more than one connection. */
export class ByWords {
  readonly #read: Read;
  readonly #search: WordSearch;
  readonly #wanted: number;

  constructor(read: Read, { lexemes, language, wordIndex, condition, limit, candidates }: Asked) {
    this.#read = read;
    this.#wanted = limit;
    this.#search = {
      lexemes,
      language,
      index: wordIndex,
      cutsTexts: false,
      readsAll: false,
      condition,
      limit: Math.max(CANDIDATES, candidates),
    };
  }

  /** By the words that are not in very many rows. */
  async first(): Promise<RankedByWords> {
    return await this.#rank(this.#search).catch((error: unknown) => {
      if (!isDatabaseError(error) || error.code !== TOO_MANY_WORDS) throw error;
      return this.#rank({ ...this.#search, cutsTexts: true });
    });
  }

  /**
   * Where the words of a question are in very many rows, the rows that are nearest by meaning are ranked by them. Where there are too few
   * of these, since most rows are not embedded yet, the words are read all the same.
   */
  async completed(
    { matches, asked }: RankedByWords,
    near: readonly { readonly key: string }[],
  ): Promise<readonly WordMatch[]> {
    const search = this.#search;
    const { index } = search;
    if (asked === undefined || index === undefined) return matches;
    const keys = new Set([...matches, ...near].map(({ key }) => key));
    if (keys.size < this.#wanted)
      for (const { key } of (await this.#rank({ ...search, readsAll: true })).matches) keys.add(key);
    return await this.#read((db, { keyed }) => rankRows(db, keyed, { ...search, index }, asked, [...keys]));
  }

  async #rank(search: WordSearch): Promise<RankedByWords> {
    return await this.#read((db, { keyed }) => rankByWords(db, keyed, search));
  }
}
