import { sql, type RawBuilder } from "kysely";
import { vectorOperator } from "../database/pgvector.ts";
import { quote } from "../database/identifier.ts";
import type { Source } from "../sources/source.ts";
import { LONGEST_INDEXED } from "../watch/vector-column.ts";
import type { IndexKind } from "./index-kind.ts";

/** How a search compares a source's vectors. An index on the same expression serves the search. */
interface Comparison {
  /** The operand is written between the two. Both are empty if the column is compared as it is. */
  readonly before: string;
  readonly after: string;
  readonly operator: "<=>" | "<~>";
  /** Without a schema. */
  readonly operators: string;
}

/**
 * A `vector` of more than 2,000 dimensions is compared as a `halfvec`, which HNSW can index up to 4,000. A column
 * without a length is cast to the source's length, since an index needs one.
 */
export function comparisonOf(source: Source, kind: IndexKind): Comparison {
  const { vectorType: type } = source;
  const dimensions = dimensionsOf(source);
  const isOpen = source.columnDimensions === null && dimensions !== null;
  const schema = quote(source.vectorSchema);
  const whole = isOpen ? `::${schema}.${type}(${dimensions})` : "";
  switch (kind.kind) {
    case "full":
      return isComparedAsHalf(source) || isOpen
        ? cosine(schema, isComparedAsHalf(source) ? "halfvec" : type, dimensions ?? 0)
        : { before: "", after: "", operator: "<=>", operators: `${type}_cosine_ops` };
    case "half":
      return cosine(schema, "halfvec", dimensions ?? 0);
    case "binary":
      return {
        before: `(${schema}.binary_quantize(`,
        after: `${whole})::bit(${dimensions ?? 0}))`,
        operator: "<~>",
        operators: "bit_hamming_ops",
      };
    case "prefix":
      return {
        before: `(${schema}.subvector(`,
        after: `${whole}, 1, ${kind.dimensions})::${schema}.${type}(${kind.dimensions}))`,
        operator: "<=>",
        operators: `${type}_cosine_ops`,
      };
  }
}

function cosine(schema: string, type: "vector" | "halfvec", dimensions: number): Comparison {
  return {
    before: "(",
    after: `::${schema}.${type}(${dimensions}))`,
    operator: "<=>",
    operators: `${type}_cosine_ops`,
  };
}

/** The distance of two vectors as an index of that kind has it, by which it puts rows in order. */
export function comparedDistance(
  source: Source,
  kind: IndexKind,
  vector: RawBuilder<unknown>,
  question: RawBuilder<unknown>,
): RawBuilder<number> {
  const { before, after, operator } = comparisonOf(source, kind);
  const as = (operand: RawBuilder<unknown>): RawBuilder<unknown> =>
    sql`${sql.raw(before)}${operand}${sql.raw(after)}`;
  return sql`(${as(vector)} ${vectorOperator(source.vectorSchema, operator)} ${as(question)})`;
}

/** Whether the distance in an index of that kind is that of the column's own values. */
export function isComparedAsStored(source: Source, kind: IndexKind): boolean {
  return comparisonOf(source, kind).before === "";
}

/** A `vector` too long for an index of its own type. */
export function isComparedAsHalf(source: Source): boolean {
  const dimensions = dimensionsOf(source) ?? 0;
  return (
    source.vectorType === "vector" &&
    dimensions > LONGEST_INDEXED.vector &&
    dimensions <= LONGEST_INDEXED.halfvec
  );
}

/** A longer value is stored beside its row, and what is handed on is a reference to it. */
const LONGEST_IN_ROW = 2_000;

/** Whether a vector is stored in its row: then it is copied wherever the row goes. */
export function isStoredInRow(source: Source): boolean {
  return (dimensionsOf(source) ?? 0) * (source.vectorType === "halfvec" ? 2 : 4) <= LONGEST_IN_ROW;
}

/** Of the column; of one without a length, those of the model. */
export function dimensionsOf({ columnDimensions, dimensions }: Source): number | null {
  return columnDimensions ?? dimensions;
}
