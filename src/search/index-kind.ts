import { UsageError } from "../errors.ts";

/**
 * What an HNSW index has of the vectors.
 * - `full`: as searches compare them. Its order is the exact one.
 * - `half`: a `vector` as a `halfvec`.
 * - `prefix`: the first numbers of each, for a Matryoshka model, whose first numbers say the most.
 * - `binary`: one bit per number, its sign.
 *
 * Of all but the first an index gives candidates, which are put in order by the column's own distance.
 */
export type IndexKind =
  { readonly kind: "full" | "half" | "binary" } | { readonly kind: "prefix"; readonly dimensions: number };

export const FULL: IndexKind = { kind: "full" };

/** Candidates per wanted row. */
const CANDIDATES_PER_ROW: Readonly<Record<IndexKind["kind"], number>> = {
  full: 1,
  half: 2,
  prefix: 10,
  binary: 20,
};

const WRITTEN = /^(?:(full|half|binary)|prefix:([1-9]\d{0,4}))$/;

/** @param written such as `binary` or `prefix:256` @throws {UsageError} */
export function parseIndexKind(written: string): IndexKind {
  const [, kind, dimensions] = WRITTEN.exec(written) ?? [];
  if (dimensions !== undefined) return { kind: "prefix", dimensions: Number(dimensions) };
  if (kind === "full" || kind === "half" || kind === "binary") return { kind };
  throw new UsageError(
    `There is no kind of index called ${JSON.stringify(written)}.`,
    "Kinds: full, half, binary, and prefix:N for the first N numbers, such as prefix:256.",
  );
}

/** As `parseIndexKind` reads it. */
export function writeIndexKind(kind: IndexKind): string {
  return kind.kind === "prefix" ? `prefix:${kind.dimensions}` : kind.kind;
}

export function candidatesPerRow({ kind }: IndexKind): number {
  return CANDIDATES_PER_ROW[kind];
}
