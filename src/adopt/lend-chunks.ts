import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import type { LedgerModel } from "../ledger/model.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import {
  isSameRow,
  queueKey,
  textHash,
  rowsWithVectors,
  vectorType,
  watchedKeys,
} from "../sources/source-sql.ts";
import type { AdoptPlan } from "./plan.ts";
import type { Proof } from "./prove.ts";

/**
 * Puts the other tool's vectors into the cache, by the text of their chunk: a chunk of ours with the same text takes one. Each
 * entry belongs to the row that the chunk is of, and goes when that row is deleted, or when it is old, like all of the
 * cache. Chunks of the sample that disagree lend nothing.
 * @returns the number of different chunks
 */
export async function lendChunks(
  db: Database,
  { found, sampled, wanted }: AdoptPlan,
  {
    texts,
    model,
    proof,
  }: { readonly texts: ChunkedSource; readonly model: LedgerModel; readonly proof: Proof },
): Promise<number> {
  if (found.kept.as !== "chunks") return 0;
  const { schema, table } = found.kept.from;
  const keys = sql.join(wanted.key.map((column, i) => sql`c.${sql.id(column)} as ${sql.id(`k${i}`)}`));
  const { source } = sampled;
  const { rows } = await sql<{ lent: number }>`
    with chunks as materialized (
      select distinct on (hash) ${textHash("t")} as hash, t.k0 as chunk_key, t.vector from ${rowsWithVectors(source)} t
      where t.content is not null and t.vector is not null
        and ${queueKey(source, "t")} <> all(${proof.disagreeing}::text[]) order by hash
    ), lent as (
      insert into autoembed.embedding_cache (model, text_hash, embedding, source_id, key)
      select ${model.fingerprint}, x.hash, x.vector::${vectorType({ ...source, vectorType: "vector" })}, ${texts.id}, ${queueKey(texts, "c")}
      from chunks x
      join (select ${keys}, c.${sql.id(source.key[0]?.name ?? "")} as chunk_key from ${sql.id(schema, table)} c) c on c.chunk_key = x.chunk_key
      where exists (select from ${watchedKeys(texts)} w where ${isSameRow(texts, "w", "c")})
      on conflict (model, text_hash) do nothing returning 1
    ) select count(*)::float8 as lent from lent`.execute(db);
  return rows[0]?.lent ?? 0;
}
