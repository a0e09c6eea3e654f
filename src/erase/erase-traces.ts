import { sql } from "kysely";
import { eraseFromBatches } from "../batches/erase-from-batches.ts";
import { numbersParameter } from "../database/array-parameter.ts";
import type { Database } from "../database/connect.ts";
import { dropQueued } from "../queue/drop-deleted.ts";
import { isQueuedTicket } from "../queue/is-queued.ts";

/** Rows of one source: the person's, or the chunks of its text. */
export interface Traced {
  readonly sourceId: number;
  readonly keys: readonly string[];
  /** sha256 of the present texts. */
  readonly hashes: readonly Buffer[];
}

/** How many entries of each kind there were. */
export interface Traces {
  readonly queued: number;
  /** Of the queued: with the reason of a failure. */
  readonly failures: number;
  readonly ledger: number;
  readonly cached_vectors: number;
  readonly reservations: number;
}

/**
 * Removes what is known of rows besides their vectors. A cached vector goes if it was one of theirs, or of the text that
 * they have now, unless another row has that text.
 * @returns the counts, and whether a listener, or a batch at the provider, may hold one of their texts.
 */
export async function eraseTraces(
  transaction: Database,
  { sourceId, keys, hashes }: Traced,
): Promise<Traces & { readonly isInFlight: boolean; readonly isInBatch: boolean }> {
  const { isInBatch, isBeingWritten } = await eraseFromBatches(transaction, sourceId, keys);
  const queued = await dropQueued(transaction, sourceId, keys);
  const { rows } = await sql<{ text_hash: Buffer }>`
    delete from autoembed.embedding_ledger l where l.source_id = ${sourceId} and l.key = any(${keys}::text[])
    returning l.text_hash`.execute(transaction);
  const texts = [...hashes, ...rows.map(({ text_hash }) => text_hash)];
  // What is theirs is out of the ledger by now: an entry that is left is another row's.
  const alone = sql`
    select h.text_hash from unnest(${texts}::bytea[]) h(text_hash)
    where not exists (select from autoembed.embedding_ledger l where l.text_hash = h.text_hash)`;
  const cached = await sql`
    delete from autoembed.embedding_cache where ctid = any(array(
      select e.ctid from autoembed.embedding_cache e
      where (e.source_id = ${sourceId} and e.key = any(${keys}::text[])) or e.text_hash in (${alone})
      order by e.model, e.text_hash for update))`.execute(transaction);
  // Another row may have that text, and be in the middle of embedding it.
  const tickets = numbersParameter(queued.map(({ ticket }) => ticket));
  const reserved = await sql`
    delete from autoembed.embedding_reservation r
    where r.ticket = any(${tickets}::bigint[])
      or (r.text_hash in (${alone}) and not ${isQueuedTicket(sql`r.ticket`)})`.execute(transaction);
  return {
    isInBatch,
    queued: queued.length,
    failures: queued.filter(({ has_failed }) => has_failed).length,
    ledger: rows.length,
    cached_vectors: Number(cached.numAffectedRows ?? 0n),
    reservations: Number(reserved.numAffectedRows ?? 0n),
    // Of a row without a text nothing is kept that comes back, nor of one that was queued: its queue row is gone.
    isInFlight: hashes.length > 0 && (isBeingWritten || (await isBackfilled(transaction, sourceId))),
  };
}

/** A listener has pages of a backfill, whose rows are in no queue. */
async function isBackfilled(transaction: Database, sourceId: number): Promise<boolean> {
  const { rows } = await sql`
    select from autoembed.embedding_page p where p.source_id = ${sourceId} and p.owner is not null limit 1`.execute(
    transaction,
  );
  return rows.length > 0;
}
