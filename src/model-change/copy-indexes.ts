import type { Database } from "../database/connect.ts";
import { quote } from "../database/identifier.ts";
import { ensureIndex } from "../search/ensure-index.ts";
import { kindFor, indexKindOf, indexShape } from "../search/index-shape.ts";
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
      { table: index.table, column: next.vectorColumn, shape: copiedShape(live, next, index) },
      options,
    );
  }
  return indexes.length === 0 ? null : [...new Set(indexes.map(({ method }) => method))].join(", ");
}

/**
 * The same index on the new column: kind, predicate and options, and the distance of one that no search uses. A prefix that is
 * as long as the new vectors, and half precision that they have anyway, become the whole vectors. Other operators become
 * cosine.
 */
export function copiedShape(live: Source, next: Source, index: IndexShape): IndexShape {
  const { method, operators, predicate, storage } = index;
  const kind = indexKindOf(live, index);
  const copied = {
    method,
    predicate: predicate === null ? null : renamed(predicate, live.vectorColumn, next.vectorColumn),
    storage,
  };
  if (kind !== undefined) return { ...indexShape(next, kindFor(next, kind)), ...copied };
  const distance = /\b(?:vector|halfvec)_(\w+)_ops$/.exec(operators)?.[1] ?? "cosine";
  return {
    ...copied,
    expression: quote(next.vectorColumn),
    operators: `${quote(next.vectorSchema)}.${next.vectorType}_${distance}_ops`,
  };
}

/** Renames a column in an expression that Postgres printed: strings are kept, quoted and plain names are renamed. */
function renamed(expression: string, from: string, to: string): string {
  return expression.replaceAll(/'(?:[^']|'')*'|"(?:[^"]|"")*"|[\p{L}_][\p{L}\p{N}_$]*/gu, (token) =>
    token === from || token === quote(from) ? quote(to) : token,
  );
}
