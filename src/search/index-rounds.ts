import { candidatesPerRow, type IndexKind } from "./index-kind.ts";

/** How an index is asked for candidates. */
export interface IndexRound {
  /** Vectors that are taken from it. */
  readonly candidates: number;
  /** Of them, so many must be there, and pass the filter. With fewer, the index has not found all. */
  readonly wanted: number;
  /** Settings of pgvector, for this statement alone. */
  readonly settings: Readonly<Record<string, string>>;
}

/** The table whose index it is. */
export interface IndexedTable {
  readonly vectors: number;
  /** A scan of the index can go on beyond `MOST_FROM_INDEX`: pgvector 0.8. */
  readonly canIterate: boolean;
  readonly isChunked: boolean;
}

/** The most rows that pgvector gives from an index at once, and its bound for `hnsw.ef_search`. */
const MOST_FROM_INDEX = 1_000;
/** The most of them that are put in order again; the rest is for dead rows, which an index gives none in place of. */
const MOST_CANDIDATES = 800;
/** With fewer candidates than this share of what its kind wants, an index finds too few of the nearest. */
const LEAST_SHARE = 1 / 4;
/** With pgvector's default of 40, one question in thirty finds none of its nearest ten; with 200, none did. */
const LEAST_CANDIDATES = 200;
/** Chunks examined per wanted row, round by round; if both rounds find too few rows, all chunks are. */
const CHUNKS_PER_ROW = [10, 100] as const;

/** Vectors that are looked through for those that pass a filter, per wanted row, and at least. */
const FILTERED_PER_ROW = 20;
const LEAST_FILTERED = 250;
/** If that was too few, the share of all vectors that is; it takes about a tenth of the time of comparing all. */
const FILTERED_SHARE = 1 / 200;
/** A scan that goes on has no strict order: rows count as the nearest only if so many times as many are found. */
const SURE = 3;

/** Ways through an index to `limit` rows, the cheapest first; none where it cannot give enough. */
export function indexRounds(
  kind: IndexKind,
  limit: number,
  { isChunked }: Pick<IndexedTable, "isChunked">,
): readonly IndexRound[] {
  const perRow = isChunked ? CHUNKS_PER_ROW : [1];
  const counts = perRow.flatMap((times) => {
    const candidates = bounded(kind, times * limit);
    return candidates === undefined ? [] : [candidates];
  });
  return [...new Set(counts)].map((candidates) => ({
    candidates,
    wanted: candidates,
    settings: searching(candidates),
  }));
}

/**
 * Ways through an index to `limit` rows that pass a filter, among those that are nearest without it. If few pass, or only
 * rows that are far from the question, an index finds the nearest of them no sooner than by looking through all.
 */
export function filteredRounds(
  kind: IndexKind,
  limit: number,
  { vectors, canIterate, isChunked }: IndexedTable,
): readonly IndexRound[] {
  const wanted = candidatesPerRow(kind) * (isChunked ? CHUNKS_PER_ROW[0] : 1) * limit;
  const sought = Math.max(LEAST_FILTERED, FILTERED_PER_ROW * limit, 2 * wanted);
  const candidates = Math.min(MOST_CANDIDATES, sought);
  const more = Math.round(vectors * FILTERED_SHARE);
  const first = { candidates, wanted, settings: searching(candidates) };
  const second = { candidates: more, wanted: SURE * wanted, settings: goingOn(more) };
  return [
    ...(candidates >= 2 * wanted ? [first] : []),
    ...(canIterate && more > Math.max(MOST_CANDIDATES, second.wanted) ? [second] : []),
  ];
}

function searching(candidates: number): IndexRound["settings"] {
  const searched = Math.max(LEAST_CANDIDATES, 2 * candidates);
  return { "hnsw.ef_search": String(Math.min(MOST_FROM_INDEX, searched)) };
}

function goingOn(candidates: number): IndexRound["settings"] {
  return {
    "hnsw.ef_search": String(MOST_FROM_INDEX),
    "hnsw.iterative_scan": "relaxed_order",
    "hnsw.max_scan_tuples": String(candidates),
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
