import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { vectorIndexes, type VectorIndex } from "../search/vector-index.ts";
import type { Source } from "../sources/source.ts";

/** An index of the new column, and the name of the old column's index that it replaces. */
export interface IndexRename {
  /** With its schema, quoted. */
  readonly index: string;
  /** Without a schema, as it is spelled. */
  readonly name: string;
}

/**
 * The new indexes were named after the column that they were built on, which had another name then. Each replaces the old
 * index in the same place of the list, since they were built in that order. Empty if indexes were added or dropped since.
 */
export async function indexesToRename(db: Database, live: Source, previous: Source): Promise<IndexRename[]> {
  const olds = await validIndexes(db, previous);
  const news = await validIndexes(db, live);
  const pairs = news.map((index, i) => ({ index, old: olds[i] }));
  if (olds.length !== news.length || !pairs.every(({ index, old }) => replaces(index, old))) return [];
  return await Promise.all(
    pairs.map(async ({ index, old }) => ({
      index: index.name,
      name: await spelledName(db, old?.name ?? ""),
    })),
  );
}

/** Part of the transaction that drops the old column, whose indexes have the names. */
export async function renameIndexes(transaction: Database, renames: readonly IndexRename[]): Promise<void> {
  for (const { index, name } of renames) {
    await sql`alter index ${sql.raw(index)} rename to ${sql.id(name)}`.execute(transaction);
  }
}

async function validIndexes(db: Database, source: Source): Promise<VectorIndex[]> {
  return (await vectorIndexes(db, source)).filter(({ valid }) => valid);
}

function replaces(index: VectorIndex, old: VectorIndex | undefined): boolean {
  return (
    old?.method === index.method &&
    old.table === index.table &&
    (old.predicate === null) === (index.predicate === null)
  );
}

async function spelledName(db: Database, index: string): Promise<string> {
  const { rows } = await sql<{ name: string }>`
    select relname as name from pg_class where oid = ${index}::regclass`.execute(db);
  const [found] = rows;
  if (found === undefined) throw new Error(`${index} is gone`);
  return found.name;
}
