import { quote } from "../database/identifier.ts";
import { SetupError, UsageError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { whereVectorsAre, type Source } from "../sources/source.ts";
import { LONGEST_INDEXED } from "../watch/vector-column.ts";
import { comparisonOf, dimensionsOf, isComparedAsHalf } from "./comparable.ts";
import { FULL, type IndexKind } from "./index-kind.ts";
import { isAlike, type IndexShape } from "./vector-index.ts";

/** Shorter ones say too little to be measured unasked. */
const LEAST_PREFIX = 32;

/**
 * Candidates that are looked at for a vector's neighbours while the graph is built. With pgvector's 64, a graph of 100,000
 * vectors in clusters can be such that searches find 97 of 100 of the nearest; with 128, they found all but one in a
 * thousand, and the build took a quarter longer.
 */
const STORAGE = "with (ef_construction = '128')";

/** An index of that kind. @throws {SetupError} if HNSW cannot index the vectors; {UsageError} if they cannot be indexed so */
export function indexShape(source: Source, kind: IndexKind): IndexShape {
  const dimensions = dimensionsOf(source);
  if (dimensions === null) {
    throw new SetupError(
      `${whereVectorsAre(source)} takes vectors of any length; an index needs a fixed length.`,
      `Give the column a length: alter table … alter column "${source.vectorColumn}" type ${source.vectorType}(1536);`,
    );
  }
  refuseKind(source, kind, dimensions);
  return shapeOf(source, kind);
}

/** The kind of an index, as far as a search of the source can use it. It may have rows of a predicate alone, or another method. */
export function indexKindOf(source: Source, index: IndexShape): IndexKind | undefined {
  if (dimensionsOf(source) === null) return undefined;
  const [, prefix] = /subvector\(.*, 1, (\d+)\)/.exec(index.expression) ?? [];
  const kinds: readonly IndexKind[] = [
    FULL,
    { kind: "half" },
    ...(prefix === undefined ? [] : [{ kind: "prefix", dimensions: Number(prefix) } as const]),
    { kind: "binary" },
  ];
  const { method, predicate } = index;
  return kinds.find((kind) => isAlike(index, { ...shapeOf(source, kind), method, predicate }));
}

/** The kinds by which these vectors can be indexed, for a comparison; two prefixes, of which only the model knows whether they do. */
export function measurableKinds(source: Source): readonly IndexKind[] {
  const dimensions = dimensionsOf(source) ?? 0;
  const longest = 2 ** Math.floor(Math.log2(dimensions / 2));
  const prefixes = [longest, longest / 2].filter((length) => length >= LEAST_PREFIX);
  const kinds: readonly IndexKind[] = [
    FULL,
    { kind: "half" },
    ...prefixes.map((length) => ({ kind: "prefix", dimensions: length }) as const),
    { kind: "binary" },
  ];
  return kinds.filter((kind) => isFor(source, kind));
}

function isFor(source: Source, kind: IndexKind): boolean {
  const { vectorType } = source;
  if (kind.kind === "full") return (dimensionsOf(source) ?? 0) <= LONGEST_INDEXED.halfvec;
  if (kind.kind === "prefix" && kind.dimensions > LONGEST_INDEXED[vectorType]) return false;
  return kindFor(source, kind) === kind;
}

/** The kind nearest to one that another source has, which these vectors can be indexed by. */
export function kindFor(source: Source, kind: IndexKind): IndexKind {
  const isWhole =
    kind.kind === "prefix"
      ? kind.dimensions >= (dimensionsOf(source) ?? 0)
      : kind.kind === "half" && (source.vectorType === "halfvec" || isComparedAsHalf(source));
  return isWhole ? FULL : kind;
}

function shapeOf(source: Source, kind: IndexKind): IndexShape {
  const { before, after, operators } = comparisonOf(source, kind);
  return {
    method: "hnsw",
    expression: `${before}${quote(source.vectorColumn)}${after}`,
    operators: `${quote(source.vectorSchema)}.${operators}`,
    predicate: null,
    storage: STORAGE,
  };
}

function refuseKind(source: Source, kind: IndexKind, dimensions: number): void {
  const { vectorType: type } = source;
  const longest = LONGEST_INDEXED[kind.kind === "prefix" ? type : "halfvec"];
  if (kind.kind === "prefix" && kindFor(source, kind) === FULL)
    throw new UsageError(
      `A prefix of ${kind.dimensions} is no part of vectors of ${dimensions} dimensions.`,
      `Give fewer than ${dimensions}.`,
    );
  if (kind.kind === "half" && kindFor(source, kind) === FULL)
    throw new UsageError(
      `The vectors of ${source.name} are indexed as halfvec anyway.`,
      "Build the kind full.",
    );
  const indexed = kind.kind === "prefix" ? kind.dimensions : dimensions;
  if (kind.kind === "binary" || indexed <= longest) return;
  throw new SetupError(
    `HNSW indexes at most ${longest} dimensions; ${source.name} has ${indexed}.`,
    `Index their signs: ${invocation("index", `${source.name} --kind binary`)}. Or change to shorter vectors: ${invocation("remodel", `${source.name} --model MODEL --dim N`)}. Or search without an index.`,
  );
}
