import type { Filter } from "./filter.ts";

/** What is searched for: words, or what is like a row that is there. */
export type Question = string | { readonly like: string | number | bigint };

export interface SearchOptions<Row = Record<string, unknown>, Column extends keyof Row = never> {
  /** The source's name. Optional if there is only one source. */
  readonly source?: string | undefined;
  /** The most rows that are returned; 10 by default. */
  readonly limit?: number | undefined;
  /** Conditions on the table's columns, as data: values are bound, never put into SQL. `undefined` is refused: `{}` is for all rows. */
  readonly where?: Filter<Row>;
  /** Ranks by words too. By default where the words have an index. */
  readonly hybrid?: boolean | undefined;
  /** The text search configuration of the words; by default that of their index, else `english`. */
  readonly language?: string | undefined;
  /** The part of the words in the score of a hybrid search, from 0 to 1; by default what suits the model. */
  readonly weights?: { readonly words: number } | undefined;
  /** Rows with a lower score are left out. */
  readonly minScore?: number | undefined;
  /** Also returns each row's text; of a text in chunks, the text of its best chunk. */
  readonly withText?: boolean | undefined;
  /** Also returns the part of the text around the question's words, or its beginning. */
  readonly withSnippet?: boolean | undefined;
  /** Columns of the table that are returned with each row. */
  readonly select?: readonly Column[] | undefined;
  /**
   * Sends the question and the texts of the best rows to the reranker of the settings (`RERANK_BACKEND`), and orders them by
   * its scores. Where it fails, the first order stands, and the notice says why.
   */
  readonly rerank?: boolean | RerankOptions | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface RerankOptions {
  /** The rows whose texts are sent, 50 by default; `limit`, where that is more. */
  readonly candidates?: number | undefined;
}

/** A row that a search found. */
export interface Hit<Selected = object> {
  /** The row's key, as the queue writes it. */
  readonly key: string;
  /**
   * Highest is best. By meaning: the cosine similarity, `1 - distance`. Of a hybrid search: from 0 to 1, both rankings scaled
   * by their best and worst candidate, and mixed by `weights`: it compares the rows of one answer, and not two answers. Of
   * reranked rows: as the reranker gives it.
   */
  readonly score: number;
  /** Cosine distance: 0 the same direction, 1 unrelated, 2 opposite. Null if the row, or the question, has no vector yet. */
  readonly distance: number | null;
  /** The row's text, or its best chunk's, if the search asked for texts. */
  readonly text: string | null;
  readonly snippet: string | null;
  /** The chunk that is nearest to the question; only where texts are embedded in chunks. */
  readonly chunk?: Chunk;
  /** The selected columns. */
  readonly row: Selected;
}

export interface Chunk {
  /** The first chunk is 1. */
  readonly number: number;
  /** Characters of the row's text before the chunk: `substr(text, start + 1, end - start)` in SQL. */
  readonly start: number;
  readonly end: number;
}

export interface SearchResult<Selected = object> {
  /** Best first. */
  readonly hits: readonly Hit<Selected>[];
  /**
   * What the score says. `words`: the question could not be embedded, so that its words alone were looked for. `reranker`:
   * the rows were reranked.
   */
  readonly rankedBy: "meaning" | "meaning and words" | "words" | "reranker";
  /**
   * Why nothing was found, why the words alone were looked for, or why the rows were not reranked: a sentence each, for the
   * person who searches.
   */
  readonly notice: string | null;
}

export function isReranked({ rerank }: Pick<SearchOptions, "rerank">): boolean {
  return rerank !== undefined && rerank !== false;
}
