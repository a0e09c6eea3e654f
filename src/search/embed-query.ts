import { createHash } from "node:crypto";
import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { cacheVectors } from "../queue/cache-vectors.ts";
import { cacheModel, type Provider } from "../providers/provider.ts";
import { findPgvector } from "../database/pgvector.ts";

/** The vector of a query; from the cache if the same text was embedded before. */
export async function embedQuery(
  db: Database,
  provider: Provider,
  query: string,
  signal: AbortSignal,
): Promise<Float32Array> {
  const hash = createHash("sha256").update(query, "utf8").digest("hex");
  const model = cacheModel(provider);
  const cached = await db
    .selectFrom("autoembed.embedding_cache")
    .select("embedding")
    .where("model", "=", model)
    .where("text_hash", "=", sql<Buffer>`decode(${hash}, 'hex')`)
    .executeTakeFirst();
  if (cached !== undefined) return Float32Array.from(JSON.parse(cached.embedding) as number[]);
  const { vectors } = await provider.embed([query], signal);
  await cacheVectors(db, { hashes: [hash], vectors, cacheModel: model, pgvector: await findPgvector(db) });
  return vectors.at(0);
}
