import { sql } from "kysely";
import type { Database } from "../database/connect.ts";

/**
 * Has batches forget rows: their vectors are not written when they come. @returns whether a batch had one, so that its
 * text is in a file at the provider until the batch has ended
 */
export async function eraseFromBatches(
  db: Database,
  sourceId: number,
  keys: readonly string[],
): Promise<boolean> {
  const isErased = sql`u.key = any(${keys}::text[])`;
  const { numAffectedRows } = await sql`
    update autoembed.embedding_page p set
      batch_keys = array(select case when ${isErased} then '' else u.key end
        from unnest(p.batch_keys) with ordinality u(key, n) order by u.n),
      batch_hashes = array(select case when ${isErased} then ''::bytea else u.hash end
        from unnest(p.batch_keys, p.batch_hashes) with ordinality u(key, hash, n) order by u.n)
    where p.source_id = ${sourceId} and p.batch_id is not null and p.batch_keys && ${keys}::text[]`.execute(
    db,
  );
  return (numAffectedRows ?? 0n) > 0n;
}
