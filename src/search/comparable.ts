import { sql, type RawBuilder } from "kysely";
import { quote } from "../database/identifier.ts";
import { SetupError } from "../errors.ts";
import { whereVectorsAre, type Source } from "../sources/source.ts";
import { LONGEST_INDEXED } from "../watch/vector-column.ts";
import type { IndexShape } from "./vector-index.ts";

/** How a source's vectors are compared, so that an index on just that can serve the search. */
interface Comparison {
  readonly type: "vector" | "halfvec";
  /** Undefined where they are compared as the column has them. */
  readonly castTo: string | undefined;
}

/**
 * A `vector` of more than 2,000 dimensions is compared as a `halfvec`, which HNSW can index up to 4,000; a column that
 * takes any length is compared as the length that the source names, since an index needs one.
 */
function comparisonOf(source: Source): Comparison {
  const dimensions = source.columnDimensions ?? source.dimensions;
  if (dimensions === null) return { type: source.vectorType, castTo: undefined };
  const isTooLong =
    source.vectorType === "vector" &&
    dimensions > LONGEST_INDEXED.vector &&
    dimensions <= LONGEST_INDEXED.halfvec;
  const type = isTooLong ? "halfvec" : source.vectorType;
  const castTo =
    isTooLong || source.columnDimensions === null
      ? `${quote(source.vectorSchema)}.${type}(${dimensions})`
      : undefined;
  return { type, castTo };
}

/** `vector`, a column or a parameter, as it is compared. */
export function compared(source: Source, vector: RawBuilder<unknown>): RawBuilder<unknown> {
  const { castTo } = comparisonOf(source);
  return castTo === undefined ? vector : sql`${vector}::${sql.raw(castTo)}`;
}

/** The index that searches use. @throws {SetupError} where HNSW cannot index the vectors. */
export function searchedShape(source: Source): IndexShape {
  const { type, castTo } = comparisonOf(source);
  const dimensions = source.columnDimensions ?? source.dimensions;
  if (dimensions === null) {
    throw new SetupError(
      `${whereVectorsAre(source)} takes vectors of any length; an index needs one.`,
      `Give the column its length: alter table … alter column "${source.vectorColumn}" type ${type}(1536);`,
    );
  }
  if (dimensions > LONGEST_INDEXED[type]) {
    throw new SetupError(
      `HNSW indexes at most ${LONGEST_INDEXED.halfvec} dimensions; ${source.name} has ${dimensions}.`,
      `Change to shorter vectors: npm run remodel -- ${source.name} --model MODEL --dim N; or search without an index.`,
    );
  }
  const column = quote(source.vectorColumn);
  return {
    method: "hnsw",
    expression: castTo === undefined ? column : `(${column}::${castTo})`,
    operators: `${quote(source.vectorSchema)}.${type}_cosine_ops`,
    predicate: null,
    storage: "",
  };
}
