import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { distance, keysOf, queueKey, vectorType } from "../sources/source-sql.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import type { Source } from "../sources/source.ts";
import { compared } from "./comparable.ts";
import {
  neighbourOf,
  searchedRows,
  type FoundRow,
  type Neighbour,
  type SearchOptions,
} from "./searched-rows.ts";
import { tuneSearch } from "./tune-search.ts";

/**
 * Candidates per wanted row when the rows are filtered. An index returns the rows that pass in the order in which it
 * meets them, and the first ones are not the nearest if the filter excludes the rows around the query.
 */
const FILTERED_PER_ROW = 4;
/** Chunks examined per wanted row, round by round; if both rounds find too few rows, all chunks are. */
const CHUNKS_PER_ROW = [10, 100];

/**
 * The rows whose vectors are nearest to a vector, by cosine distance; uses the index that `npm run index` makes, if
 * there is one. Of a text in chunks, the row is found once, by its best chunk: where many chunks belong to the same
 * rows, more chunks are examined until there are enough rows, and in the end all of them, without the index.
 * @throws the database's own error if `where` is not valid SQL.
 */
export async function nearest(
  db: Database,
  source: Source,
  vector: Float32Array,
  options: SearchOptions,
): Promise<Neighbour[]> {
  return await withPerRowFallback(source, (source) =>
    db.transaction().execute((transaction) => nearestOnce(transaction, source, vector, options)),
  );
}

async function nearestOnce(
  transaction: Database,
  source: Source,
  vector: Float32Array,
  options: SearchOptions,
): Promise<Neighbour[]> {
  const { limit, where, chunkedSource } = options;
  if (chunkedSource === undefined) {
    await tuneSearch(transaction, limit, where !== undefined);
    const candidates = where === undefined ? limit : FILTERED_PER_ROW * limit;
    return (await find(transaction, source, vector, options, candidates)).found;
  }
  for (const chunks of CHUNKS_PER_ROW) {
    const candidates = chunks * limit;
    await tuneSearch(transaction, candidates, where !== undefined);
    const { found, examined } = await find(transaction, source, vector, options, candidates);
    if (found.length === limit) return found;
    if (examined < candidates) break;
  }
  return (await find(transaction, source, vector, options, null)).found;
}

/** @param candidates rows or chunks that are examined; null examines all of them. */
async function find(
  transaction: Database,
  source: Source,
  vector: Float32Array,
  options: SearchOptions,
  candidates: number | null,
): Promise<{ found: Neighbour[]; examined: number }> {
  const { keyed, rows: searched, position } = searchedRows(source, options);
  const query = sql`${`[${vector.join(",")}]`}::${vectorType(source)}`;
  const nearestFirst =
    candidates === null
      ? sql``
      : sql`order by ${distance(source, compared(source, sql`t.vector`), compared(source, query))} limit ${candidates}`;
  const { rows } = await sql<FoundRow & { examined: string }>`
    with near as materialized (
      select t.* from ${searched} t where t.vector is not null ${nearestFirst}
    ), best as (
      select distinct on (${keysOf(keyed, "n")}) ${queueKey(keyed, "n")} as key, ${distance(source, sql`n.vector`, query)} as distance,
        n.content, ${position("n")}
      from near n order by ${keysOf(keyed, "n")}, ${distance(source, sql`n.vector`, query)}, chunk
    )
    select b.key, b.distance, ${options.withText ? sql`b.content` : sql`null::text`} as text,
      b.chunk, b.start_char, b.end_char, (select count(*) from near) as examined
    from best b order by b.distance, b.key limit ${options.limit}`.execute(transaction);
  return { found: rows.map(neighbourOf), examined: Number(rows[0]?.examined ?? 0) };
}
