import type { Database } from "../database/connect.ts";
import type { Chosen } from "../sources/choose-sources.ts";
import { hybrid, type HybridOptions } from "./hybrid.ts";
import { nearest } from "./nearest.ts";
import type { Neighbour, SearchOptions } from "./searched-rows.ts";

/**
 * The rows of the chosen source that are nearest to a vector, nearest first. With `query` and `language`, a hybrid
 * search that also ranks rows by their words.
 */
export async function searchChosen(
  db: Database,
  { sources: [source], chunked }: Chosen,
  vector: Float32Array,
  options: SearchOptions | HybridOptions,
): Promise<Neighbour[]> {
  if (source === undefined) return [];
  const chunkedSource = chunked.find(({ embeddedBy }) => embeddedBy === source.id);
  return "query" in options
    ? await hybrid(db, source, vector, { ...options, chunkedSource })
    : await nearest(db, source, vector, { ...options, chunkedSource });
}
