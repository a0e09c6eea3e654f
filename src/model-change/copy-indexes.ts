import type { Database } from "../database/connect.ts";
import { quote } from "../database/identifier.ts";
import { ensureIndex } from "../search/ensure-index.ts";
import type { BuildOptions } from "../search/index-builder.ts";
import { vectorIndexes, type IndexShape } from "../search/vector-index.ts";
import type { Source } from "../sources/source.ts";

/**
 * Builds on the new column the indexes that the old column has, concurrently: writers and searches continue.
 * @returns their methods, or null if the old column has none.
 */
export async function copyIndexes(
  db: Database,
  live: Source,
  next: Source,
  options: BuildOptions,
): Promise<string | null> {
  const indexes = (await vectorIndexes(db, live)).filter(({ valid }) => valid);
  for (const index of indexes) {
    await ensureIndex(
      { table: index.table, column: next.vectorColumn, shape: shapeFor(live, next, index) },
      options,
    );
  }
  return indexes.length === 0 ? null : [...new Set(indexes.map(({ method }) => method))].join(", ");
}

/** The same index on the new column: distance, predicate and options. Other operators, such as those on bits, become cosine. */
function shapeFor(
  live: Source,
  next: Source,
  { method, operators, predicate, storage }: IndexShape,
): IndexShape {
  const distance = /\b(?:vector|halfvec)_(\w+)_ops$/.exec(operators)?.[1] ?? "cosine";
  return {
    method,
    expression: quote(next.vectorColumn),
    operators: `${quote(next.vectorSchema)}.${next.vectorType}_${distance}_ops`,
    predicate: predicate === null ? null : renamed(predicate, live.vectorColumn, next.vectorColumn),
    storage,
  };
}

/** Renames a column in an expression that Postgres printed: strings are kept, quoted and plain names are renamed. */
function renamed(expression: string, from: string, to: string): string {
  return expression.replaceAll(/'(?:[^']|'')*'|"(?:[^"]|"")*"|[\p{L}_][\p{L}\p{N}_$]*/gu, (token) =>
    token === from || token === quote(from) ? quote(to) : token,
  );
}
