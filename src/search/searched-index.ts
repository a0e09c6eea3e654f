import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import type { Source } from "../sources/source.ts";
import { candidatesPerRow, type IndexKind } from "./index-kind.ts";
import { indexKindOf } from "./index-shape.ts";
import { indexesOn, regclassOf, type VectorIndex } from "./vector-index.ts";

export interface SearchedIndex extends VectorIndex {
  readonly kind: IndexKind;
}

/**
 * The valid indexes that searches of a source can use, the one that they do use first: the nearest to the exact order. By
 * cosine distance and HNSW, of all rows: another, such as one by ivfflat, finds what its own settings let it find.
 */
export async function searchableIndexes(db: Database, source: Source): Promise<SearchedIndex[]> {
  const indexes = await indexesOn(db, sql`(select ${regclassOf(source)})`, source.vectorColumn);
  const found = indexes.flatMap((index) => {
    const serves = index.valid && index.method === "hnsw" && index.predicate === null;
    const kind = serves ? indexKindOf(source, index) : undefined;
    return kind === undefined ? [] : [{ ...index, kind }];
  });
  const longestFirst = ({ kind }: SearchedIndex): number => (kind.kind === "prefix" ? -kind.dimensions : 0);
  return found.sort(
    (a, b) => candidatesPerRow(a.kind) - candidatesPerRow(b.kind) || longestFirst(a) - longestFirst(b),
  );
}

/** Undefined where every search compares all rows. */
export async function searchedIndex(db: Database, source: Source): Promise<SearchedIndex | undefined> {
  const [first] = await searchableIndexes(db, source);
  return first;
}
