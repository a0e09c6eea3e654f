import { sql, type RawBuilder } from "kysely";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import { rowsWithVectors, tableOf, vectorTableOf } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";

/** A row that a search found. */
export interface Neighbour {
  /** The row's key, as the queue writes it. */
  readonly key: string;
  /** Cosine distance: 0 the same direction, 1 unrelated, 2 opposite. */
  readonly distance: number;
  /** The row's text, or its best chunk's, if the search asked for texts. */
  readonly text: string | null;
  /** The chunk that is nearest to the query; only where texts are embedded in chunks. */
  readonly chunk?: {
    /** The first chunk is 1. */
    readonly number: number;
    /** Characters of the row's text before the chunk: `substr(text, start + 1, end - start)` in SQL. */
    readonly start: number;
    readonly end: number;
  };
}

export interface SearchOptions {
  readonly limit: number;
  readonly withText: boolean;
  /** An SQL condition over the watched table's columns. It is neither checked nor escaped. */
  readonly where?: string | undefined;
  /** The source whose chunks are embedded: each of its rows is found once, by its best chunk. */
  readonly chunkedSource?: ChunkedSource | undefined;
}

/** What a search reads: the rows of a source, or the chunks of their texts. */
export interface SearchedRows {
  /** The source whose key identifies a result. */
  readonly keyed: Source;
  /** A subquery `(k0, k1, …, content, vector)`; of chunks also `chunk, start_char, end_char`. */
  readonly rows: RawBuilder<unknown>;
  /** The columns `chunk, start_char, end_char` of `alias`; null where the rows' texts are embedded whole. */
  readonly position: (alias: string) => RawBuilder<unknown>;
}

export function searchedRows(source: Source, { chunkedSource, where }: SearchOptions): SearchedRows {
  if (chunkedSource === undefined) {
    return {
      keyed: source,
      rows: rowsWithVectors(source, where),
      position: () => sql`null::int as chunk, null::int as start_char, null::int as end_char`,
    };
  }
  return {
    keyed: chunkedSource,
    rows: chunksWithVectors(chunkedSource, source, where),
    position: (alias) => sql.join(["chunk", "start_char", "end_char"].map((column) => sql.id(alias, column))),
  };
}

/** The chunks of a source as `(k0, k1, …, content, chunk, start_char, end_char, vector)`, each with its row's key. */
function chunksWithVectors(
  chunkedSource: ChunkedSource,
  source: Source,
  where: string | undefined,
): RawBuilder<unknown> {
  const keys = sql.join(
    chunkedSource.key.map(({ name }, i) => sql`${sql.id("p", name)} as ${sql.id(`k${i}`)}`),
  );
  const names = (alias?: string): RawBuilder<unknown> =>
    sql.join(chunkedSource.key.map(({ name }) => (alias === undefined ? sql.id(name) : sql.id(alias, name))));
  const condition =
    where === undefined
      ? sql``
      : sql`where (${names("p")}) in (select ${names()} from ${tableOf(chunkedSource)} where (${sql.raw(where)}))`;
  return sql`(select ${keys}, p.passage as content, p.chunk, p.start_char, p.end_char, ${sql.id("p", source.vectorColumn)} as vector
    from ${vectorTableOf(chunkedSource)} p ${condition})`;
}

export interface FoundRow {
  readonly key: string;
  readonly distance: number;
  readonly text: string | null;
  readonly chunk: number | null;
  readonly start_char: number;
  readonly end_char: number;
}

export function neighbourOf({ key, distance, text, chunk, start_char, end_char }: FoundRow): Neighbour {
  if (chunk === null) return { key, distance, text };
  return { key, distance, text, chunk: { number: chunk, start: start_char, end: end_char } };
}
