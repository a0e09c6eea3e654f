import { sql } from "kysely";
import type { Database } from "../database/connect.ts";

/**
 * Has batches forget rows: their vectors are not written when they come.
 * @returns whether a batch had one, so that its text is in a file at the provider until the batch has ended; and whether a
 * listener is writing the vectors of such a batch, which it had read before
 */
export async function eraseFromBatches(
  db: Database,
  sourceId: number,
  keys: readonly string[],
): Promise<{ readonly isInBatch: boolean; readonly isBeingWritten: boolean }> {
  const isErased = sql`u.key = any(${keys}::text[])`;
  const { rows } = await sql<{ is_being_written: boolean }>`
    update autoembed.embedding_page p set
      batch_keys = array(select case when ${isErased} then '' else u.key end
        from unnest(p.batch_keys) with ordinality u(key, n) order by u.n),
      batch_hashes = array(select case when ${isErased} then ''::bytea else u.hash end
        from unnest(p.batch_keys, p.batch_hashes) with ordinality u(key, hash, n) order by u.n)
    from autoembed.embedding_batch b
    where p.source_id = ${sourceId} and b.id = p.batch_id and p.batch_keys && ${keys}::text[]
    returning b.state = 'reading' as is_being_written`.execute(db);
  return {
    isInBatch: rows.length > 0,
    isBeingWritten: rows.some(({ is_being_written }) => is_being_written),
  };
}
