import type { Database } from "../database/connect.ts";
import { hybridByChunks } from "./hybrid-by-chunks.ts";
import { nearestByChunks, type ChunkNeighbour } from "./nearest-by-chunks.ts";
import type { Chosen } from "../sources/choose-sources.ts";
import { hybrid, type HybridOptions } from "./hybrid.ts";
import { nearest, type Neighbour, type SearchOptions } from "./nearest.ts";

/** A row; of a text in passages, with its best. */
export type Found = Neighbour & Partial<Pick<ChunkNeighbour, "passage">>;

/** The rows of what was chosen nearest to a vector, the nearest first; with `query` and `language`, also by their words. */
export async function searchChosen(
  db: Database,
  { sources: [source], chunked: [chunkedSource] }: Chosen,
  vector: Float32Array,
  options: SearchOptions | HybridOptions,
): Promise<Found[]> {
  if (source === undefined) return [];
  if (chunkedSource?.embeddedBy === source.id) {
    return "query" in options
      ? await hybridByChunks(db, chunkedSource, source, vector, options)
      : await nearestByChunks(db, chunkedSource, source, vector, options);
  }
  return "query" in options
    ? await hybrid(db, source, vector, options)
    : await nearest(db, source, vector, options);
}
