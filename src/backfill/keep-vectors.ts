import type { Database } from "../database/connect.ts";
import { findPgvector } from "../database/pgvector.ts";
import type { VectorArray } from "../database/vector-array.ts";
import { cacheVectors } from "../queue/cache-vectors.ts";

/**
 * Keeps the vectors of a sample, so that no later run pays for these texts again.
 * @param hashes sha256 of each text, in hex
 */
export async function keepVectors(
  db: Database,
  cacheModel: string,
  hashes: readonly string[],
  vectors: VectorArray,
): Promise<void> {
  await cacheVectors(db, { hashes, vectors, cacheModel, pgvector: await findPgvector(db) });
}
