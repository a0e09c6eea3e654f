import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { wakeListeners } from "../database/wake-listeners.ts";
import type { Source } from "../sources/source.ts";

/** A batch that is under way. */
export interface UnderWay {
  /** `embedding_batch.id`, a bigint as text. */
  readonly id: string;
  /** Its id at the provider, where that has it and it has not ended there. */
  readonly atProvider: string | null;
}

/**
 * Has no further batch of a source be made, and no row of its backfill be embedded by a request: it is left as one that has
 * no money, until its batches have ended and it is dropped. One that is not sent yet loses its pages, and so is not asked for.
 */
export async function haltBackfill(db: Database, source: Source): Promise<void> {
  await sql`
    with halted as (
      update autoembed.embedding_backfill set in_batches = false, is_read = true, reads_again = false, spent = 0,
        spends_at_most = 0
      where source_id = ${source.id} returning source_id
    )
    update autoembed.embedding_page p set for_batch = false, batch_id = null, batch_keys = null, batch_hashes = null
    from halted h, autoembed.embedding_batch b
    where p.source_id = h.source_id and b.id = p.batch_id and b.state in ('filling', 'uploaded')`.execute(db);
}

/** Whether a source has a batch, or a backfill that goes through batches, or one that was halted here. */
export async function isInBatches(db: Database, source: Source): Promise<boolean> {
  const { rows } = await sql`
    select from autoembed.embedding_batch b where b.source_id = ${source.id}
    union all select from autoembed.embedding_backfill f
      where f.source_id = ${source.id} and (f.in_batches or f.spends_at_most = 0)
    limit 1`.execute(db);
  return rows.length > 0;
}

export async function batchesUnderWay(db: Database, source: Source): Promise<UnderWay[]> {
  const { rows } = await sql<UnderWay>`
    select b.id, case when b.state = 'submitted' then b.provider_batch end as "atProvider"
    from autoembed.embedding_batch b where b.source_id = ${source.id} order by b.id`.execute(db);
  return rows;
}

/** Has a listener look at a batch now. */
export async function lookSoon(db: Database, { id }: UnderWay): Promise<void> {
  await sql`
    update autoembed.embedding_batch b set not_before = now() where b.id = ${id}::bigint and b.owner is null`.execute(
    db,
  );
}

/** Ends a backfill whose rows are not to be embedded now. @returns how many of them are */
export async function dropBackfill(db: Database, source: Source): Promise<number> {
  const { rows } = await sql<{ done: number }>`
    delete from autoembed.embedding_backfill where source_id = ${source.id} returning done::float8 as done`.execute(
    db,
  );
  await wakeListeners(db, source.id);
  return rows[0]?.done ?? 0;
}
