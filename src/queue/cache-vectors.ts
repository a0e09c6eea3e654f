import { sql } from "kysely";
import { bytesParameter } from "../database/array-parameter.ts";
import type { Database } from "../database/connect.ts";
import { vectorName } from "../database/pgvector.ts";
import type { WriteBack } from "./write-back.ts";

/** Caches vectors and writes no row, so that what was paid for is kept when the rows cannot be written. */
export async function cacheVectors(
  db: Database,
  batch: Pick<WriteBack, "hashes" | "vectors" | "cacheModel" | "pgvector">,
): Promise<void> {
  await sql`
    with v as materialized (select ${batch.vectors.toParameter(batch.pgvector.vectorOid)}::${vectorName(batch.pgvector.schema, "vector")}[] as vectors)
    insert into autoembed.embedding_cache (model, text_hash, embedding)
    select ${batch.cacheModel}, h.text_hash, ((select v.vectors from v))[h.position]
    from unnest(${bytesParameter(batch.hashes)}::bytea[]) with ordinality as h(text_hash, position) order by h.text_hash
    on conflict (model, text_hash) do nothing`.execute(db);
}
