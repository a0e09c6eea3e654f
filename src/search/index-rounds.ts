import { candidatesPerRow, type IndexKind } from "./index-kind.ts";

/** How an index is asked for candidates. */
export interface IndexRound {
  /** Vectors that are taken from it. With fewer, it has not found all. */
  readonly wanted: number;
  /** Settings of pgvector, for this statement alone. */
  readonly settings: Readonly<Record<string, string>>;
}

/** The most rows that pgvector gives from an index, and its bound for `hnsw.ef_search`. */
const MOST_FROM_INDEX = 1_000;
/** The most of them that are put in order again; the rest is for dead rows, which an index gives none in place of. */
const MOST_CANDIDATES = 800;
/** With fewer candidates than this share of what its kind wants, an index finds too few of the nearest. */
const LEAST_SHARE = 1 / 4;
/** With pgvector's default of 40, one question in thirty finds none of its nearest ten; with 200, none did. */
const LEAST_CANDIDATES = 200;
/** Chunks examined per wanted row, round by round; if both rounds find too few rows, all chunks are. */
const CHUNKS_PER_ROW = [10, 100];
/** Rows that are taken from an index per wanted row that passes a filter: the first to pass are not the nearest. */
const FILTERED_PER_ROW = 20;
/** The share of the index that a filtered scan may look through. It then took about as long as comparing every row. */
const SCANNED_SHARE = 1 / 20;

/** If no more rows pass a filter, they are compared one by one: an index would have to skip most of the others. */
export const FEW_ROWS = 5_000;

/** Ways through an index to `limit` rows, the cheapest first; none where it cannot give enough. */
export function indexRounds(
  kind: IndexKind,
  limit: number,
  { isChunked }: { readonly isChunked: boolean },
): readonly IndexRound[] {
  const perRow = isChunked ? CHUNKS_PER_ROW : [1];
  const counts = perRow.flatMap((times) => {
    const candidates = bounded(kind, times * limit);
    return candidates === undefined ? [] : [candidates];
  });
  return [...new Set(counts)].map((wanted) => ({
    wanted,
    settings: {
      "hnsw.ef_search": String(Math.min(MOST_FROM_INDEX, Math.max(LEAST_CANDIDATES, 2 * wanted))),
    },
  }));
}

/** The way through an index to rows that pass a filter. @param vectors in the index */
export function filteredRound(kind: IndexKind, limit: number, vectors: number): IndexRound | undefined {
  const perRow = Math.max(FILTERED_PER_ROW, 2 * candidatesPerRow(kind));
  const wanted = Math.min(MOST_FROM_INDEX, perRow * limit);
  if (wanted < leastOf(kind) * limit) return undefined;
  return {
    wanted,
    settings: {
      "hnsw.ef_search": String(Math.max(LEAST_CANDIDATES, wanted)),
      "hnsw.iterative_scan": "relaxed_order",
      "hnsw.max_scan_tuples": String(Math.max(FEW_ROWS, Math.round(vectors * SCANNED_SHARE))),
    },
  };
}

function bounded(kind: IndexKind, rows: number): number | undefined {
  if (candidatesPerRow(kind) === 1) return rows <= MOST_FROM_INDEX ? rows : undefined;
  const candidates = Math.min(MOST_CANDIDATES, candidatesPerRow(kind) * rows);
  return candidates >= leastOf(kind) * rows ? candidates : undefined;
}

function leastOf(kind: IndexKind): number {
  return Math.max(1, candidatesPerRow(kind) * LEAST_SHARE);
}
