import { sql } from "kysely";
import { bytesParameter, numbersParameter, textsParameter } from "../database/array-parameter.ts";
import type { Database } from "../database/connect.ts";
import { wakeListeners } from "../database/wake-listeners.ts";
import { LostBatch, type Batch } from "./batch.ts";

/** What a batch has of a page. */
export interface BatchPart {
  /** `embedding_page.id` */
  readonly page: string;
  readonly firstLine: number;
  /** Of the rows whose texts are in the file, in the order of the lines. */
  readonly keys: readonly string[];
  /** sha256 of these texts, in hex. */
  readonly hashes: readonly string[];
  /** It has a text that another batch embeds. */
  readonly waits: boolean;
}

/** Gives pages to the batch: from then on no listener owns them. @throws {LostBatch} where one was taken over meanwhile */
export async function attachPages(
  db: Database,
  batch: Batch,
  owner: number,
  parts: readonly BatchPart[],
): Promise<void> {
  for (const { page, firstLine, keys, hashes, waits } of parts) {
    const { numAffectedRows } = await sql`
      update autoembed.embedding_page p set batch_id = b.id, owner = null, first_line = ${firstLine}, waits = ${waits},
        batch_keys = ${textsParameter(keys)}::text[], batch_hashes = ${bytesParameter(hashes)}::bytea[]
      from autoembed.embedding_batch b
      where b.id = ${batch.id}::bigint and b.owner = ${owner} and p.id = ${page}::bigint and p.owner = ${owner}`.execute(
      db,
    );
    if (numAffectedRows !== 1n) throw new LostBatch();
  }
}

/** The texts of a batch by their lines. */
export async function readParts(
  db: Database,
  batch: Batch,
): Promise<Pick<BatchPart, "firstLine" | "keys" | "hashes">[]> {
  const { rows } = await sql<Pick<BatchPart, "firstLine" | "keys" | "hashes">>`
    select first_line as "firstLine", batch_keys as keys,
      array(select encode(u.hash, 'hex') from unnest(batch_hashes) with ordinality u(hash, n) order by u.n) as hashes
    from autoembed.embedding_page where batch_id = ${batch.id}::bigint order by first_line`.execute(db);
  return rows;
}

/** Those of the texts that a batch of the same model has already, unless its source is paused. */
export async function findInBatches(
  db: Database,
  modelId: number,
  hashes: readonly string[],
): Promise<ReadonlySet<string>> {
  return await db.transaction().execute(async (transaction) => {
    // Whatever the statistics say: without the index, each hash would be compared with each of all batches.
    await sql`select set_config('enable_seqscan', 'off', true), set_config('enable_indexscan', 'off', true)`.execute(
      transaction,
    );
    const { rows } = await sql<{ hash: string }>`
      with pages as materialized (
        select p.batch_id, p.batch_hashes from autoembed.embedding_page p where p.batch_hashes && ${bytesParameter(hashes)}::bytea[]
      )
      select distinct encode(h.hash, 'hex') as hash
      from pages p join autoembed.embedding_batch b on b.id = p.batch_id and b.model_id = ${modelId}
      join autoembed.embedding_source s on s.id = b.source_id and not s.paused
      cross join unnest(p.batch_hashes) t(hash)
      join unnest(${bytesParameter(hashes)}::bytea[]) h(hash) on h.hash = t.hash`.execute(transaction);
    return new Set(rows.map(({ hash }) => hash));
  });
}

interface Release {
  /** Their texts go into another batch; else any listener embeds what is left of them. */
  readonly forBatch: boolean;
  readonly afterMs?: number;
}

/** Frees pages that a listener has taken for a batch. */
export async function releasePages(
  db: Database,
  owner: number,
  pages: readonly string[],
  { forBatch, afterMs = 0 }: Release,
): Promise<void> {
  if (pages.length === 0) return;
  await sql`
    update autoembed.embedding_page p set owner = null, for_batch = ${forBatch},
      attempts = p.attempts + ${afterMs > 0 ? 1 : 0}, not_before = now() + ${afterMs} * interval '1 millisecond'
    where p.id = any(${numbersParameter(pages)}::bigint[]) and p.owner = ${owner}`.execute(db);
}

/** Frees the pages of a batch whose file was not sent, for a batch. */
export async function freePages(db: Database, batch: Batch, owner: number): Promise<void> {
  await sql`
    update autoembed.embedding_page p set batch_id = null, batch_keys = null, batch_hashes = null, waits = false
    from autoembed.embedding_batch b
    where b.id = ${batch.id}::bigint and b.owner = ${owner} and p.batch_id = b.id`.execute(db);
}

/** Frees the pages that a listener has taken for batches of a source, and knows nothing of: a fault of the database left them. */
export async function freeTaken(db: Database, owner: number, sourceId: number): Promise<void> {
  await sql`
    update autoembed.embedding_page p set owner = null
    where p.source_id = ${sourceId} and p.owner = ${owner} and p.for_batch and p.batch_id is null`.execute(
    db,
  );
}

/** How often a page goes into a batch whose texts are lost, before listeners embed what is left of it. */
const MOST_BATCHES = 3;

/**
 * Ends the part of a batch in its pages. What is left of them (rows that were refused, cached, blank, locked, too long, or
 * lost) is embedded by the listeners as of any page; only where many texts were lost is it put into another batch.
 */
export async function detachPages(
  db: Database,
  batch: Batch,
  owner: number,
  sourceId: number,
  isMuchLost: boolean,
): Promise<void> {
  const isAgain = sql`(p.waits or ${isMuchLost} and p.batch_attempts + 1 < ${MOST_BATCHES})`;
  await sql`
    update autoembed.embedding_page p set batch_id = null, batch_keys = null, batch_hashes = null, waits = false,
      for_batch = f.in_batches and ${isAgain}, batch_attempts = p.batch_attempts + ${isMuchLost ? 1 : 0}
    from autoembed.embedding_batch b, autoembed.embedding_backfill f
    where b.id = ${batch.id}::bigint and b.owner = ${owner} and p.batch_id = b.id and f.source_id = b.source_id`.execute(
    db,
  );
  await wakeListeners(db, sourceId);
}

/** Whether a batch still has pages: a backfill that was asked for without batches takes those of one that was not sent. */
export async function hasPages(db: Database, batch: Batch): Promise<boolean> {
  const { rows } = await sql`
    select from autoembed.embedding_page where batch_id = ${batch.id}::bigint limit 1`.execute(db);
  return rows.length > 0;
}
