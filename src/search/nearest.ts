import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { distance, queueKey, rowsWithVectors, vectorType } from "../sources/source-sql.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import type { Source } from "../sources/source.ts";
import { compared } from "./comparable.ts";
import { tuneSearch } from "./tune-search.ts";

export interface Neighbour {
  /** The row's key, as the queue writes it. */
  readonly key: string;
  /** Cosine distance: 0 the same direction, 1 unrelated, 2 opposite. */
  readonly distance: number;
  /** The text, where it was asked for. */
  readonly text: string | null;
}

export interface SearchOptions {
  readonly limit: number;
  readonly withText: boolean;
  /** A condition over the table's own columns, in SQL, by whoever runs the search: it is not checked, and not escaped. */
  readonly where?: string | undefined;
}

/**
 * Rows looked at for each that is wanted, where they are filtered: an index gives those that pass in the order in which it
 * comes upon them, and the first are not the nearest where the filter leaves out what lies about the query.
 */
const FILTERED_A_ROW = 4;

/**
 * The rows whose vectors are nearest to a vector, by cosine distance; an index that `npm run index` made is used where
 * there is one. @throws the database's own error for a condition that is no SQL.
 */
export async function nearest(
  db: Database,
  source: Source,
  vector: Float32Array,
  { limit, withText, where }: SearchOptions,
): Promise<Neighbour[]> {
  return await withPerRowFallback(source, (source) =>
    nearestOnce(db, source, vector, { limit, withText, where }),
  );
}

async function nearestOnce(
  db: Database,
  source: Source,
  vector: Float32Array,
  { limit, withText, where }: SearchOptions,
): Promise<Neighbour[]> {
  const looked = where === undefined ? limit : FILTERED_A_ROW * limit;
  const query = sql`${`[${vector.join(",")}]`}::${vectorType(source)}`;
  return await db.transaction().execute(async (transaction) => {
    await tuneSearch(transaction, limit, where !== undefined);
    const { rows } = await sql<Neighbour>`
      with near as materialized (
        select t.* from ${rowsWithVectors(source, where)} t where t.vector is not null
        order by ${distance(source, compared(source, sql`t.vector`), compared(source, query))} limit ${looked}
      )
      select ${queueKey(source, "n")} as key, ${distance(source, sql`n.vector`, query)} as distance,
        ${withText ? sql`n.content` : sql`null::text`} as text
      from near n order by 2, 1 limit ${limit}`.execute(transaction);
    return rows;
  });
}
