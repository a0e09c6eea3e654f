import { sql, type RawBuilder } from "kysely";
import { quote } from "../database/identifier.ts";
import { SetupError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { whereVectorsAre, type Source } from "../sources/source.ts";
import { LONGEST_INDEXED } from "../watch/vector-column.ts";
import type { IndexShape } from "./vector-index.ts";

/** How a search compares a source's vectors. An index on the same expression serves the search. */
interface Comparison {
  readonly type: "vector" | "halfvec";
  /** Undefined if the column is compared without a cast. */
  readonly castTo: string | undefined;
}

/**
 * A `vector` of more than 2,000 dimensions is compared as a `halfvec`, which HNSW can index up to 4,000. A column
 * without a length is cast to the source's length, since an index needs one.
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

/** `vector`, a column or a parameter, with the cast of the comparison. */
export function compared(source: Source, vector: RawBuilder<unknown>): RawBuilder<unknown> {
  const { castTo } = comparisonOf(source);
  return castTo === undefined ? vector : sql`${vector}::${sql.raw(castTo)}`;
}

/** The index that searches use. @throws {SetupError} if HNSW cannot index the vectors. */
export function searchedShape(source: Source): IndexShape {
  const { type, castTo } = comparisonOf(source);
  const dimensions = source.columnDimensions ?? source.dimensions;
  if (dimensions === null) {
    throw new SetupError(
      `${whereVectorsAre(source)} takes vectors of any length; an index needs a fixed length.`,
      `Give the column a length: alter table … alter column "${source.vectorColumn}" type ${type}(1536);`,
    );
  }
  if (dimensions > LONGEST_INDEXED[type]) {
    throw new SetupError(
      `HNSW indexes at most ${LONGEST_INDEXED.halfvec} dimensions; ${source.name} has ${dimensions}.`,
      `Change to shorter vectors: ${invocation("remodel", `${source.name} --model MODEL --dim N`)}. Or search without an index.`,
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
