import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";
import { wakeListeners } from "../database/wake-listeners.ts";
import { isUnchanged } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import type { KeyTexts } from "../sources/key-order.ts";
import { limitBackfill, type BackfillLimits } from "./limits.ts";

/*
 * The life of a backfill, a row of `embedding_backfill`, and of its pages:
 *
 *              ┌────────── begun again meanwhile ───────────┐
 *              ▼                                            │
 *   begin ──▶ reading ──take page, until the table's end──▶ read ──the last page ends──▶ (absent)
 *
 *   Where its source has another key meanwhile, its pages are dropped, and it reads from the start. It waits where it is ahead of
 *   its time, or has spent its money.
 *
 *   (absent) ──take──▶ owned ──end──▶ (absent)
 *                       │  ▲
 *    give back, or its  ▼  │ take
 *    owner is silent   free (from `not_before` on)
 *
 * Nobody owns a backfill: every listener that has nothing queued takes the next page of it. What the rows of a page are is
 * not stored. Whoever has taken it reads those in its range that have no current vector, so that one that is given back
 * half done loses nothing and repeats nothing.
 */

export interface Backfill {
  /** Every row is embedded that was not since then; null where only rows without a current vector are. A timestamp as text. */
  readonly all_since: string | null;
  /** The key that the last page ended with. */
  readonly position: KeyTexts | null;
  /** Pages have been made of the whole table. */
  readonly is_read: boolean;
  /** The key's columns are what they were when it began. */
  readonly is_of_key: boolean;
  /** See `Source.hasAlteredKey`: since it began. */
  readonly has_altered_key: boolean;
  /** Its pages go through the provider's batch API. */
  readonly in_batches: boolean;
}

export interface BackfillOptions {
  /** Embeds every row, even if it has a current vector. */
  readonly isAll: boolean;
  /** Through the provider's batch API. */
  readonly inBatches?: boolean;
  readonly limits?: BackfillLimits | undefined;
}

/** The name and the type of each column of the key. */
function keyColumns(source: Source): RawBuilder<unknown> {
  return sql`${source.key.map(({ name, type }) => `${name} ${type}`)}::text[]`;
}

/**
 * Begins a backfill, or joins the one under way: that one reads the table once more when it has come to its end. What is
 * left of it goes the way that was asked for last; batches that the provider has taken go on.
 */
export async function beginBackfill(
  db: Database,
  source: Source,
  { isAll, inBatches = false, limits = {} }: BackfillOptions,
): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    await sql`
    with begun as (
      insert into autoembed.embedding_backfill as b (source_id, is_all, key_columns, in_batches)
      values (${source.id}, ${isAll}, ${keyColumns(source)}, ${inBatches})
      on conflict (source_id) do update set is_all = b.is_all or excluded.is_all, reads_again = true,
        started_at = case when excluded.is_all then excluded.started_at else b.started_at end,
        in_batches = excluded.in_batches
      returning b.source_id
    )
    update autoembed.embedding_page p set for_batch = ${inBatches}, batch_id = null, batch_attempts = 0
    from begun where p.source_id = begun.source_id and p.owner is null and p.for_batch <> ${inBatches}
      and (p.batch_id is null or exists (select from autoembed.embedding_batch b
        where b.id = p.batch_id and b.state in ('filling', 'uploaded')))`.execute(transaction);
    await limitBackfill(transaction, source.id, limits);
  });
  await wakeListeners(db, source.id);
}

export async function findBackfill(db: Database, source: Source): Promise<Backfill | undefined> {
  const { rows } = await sql<Backfill>`
    select case when b.is_all then b.started_at::text end as all_since, b.position, b.is_read, b.in_batches,
      b.key_columns = ${keyColumns(source)} as is_of_key,
      coalesce(s.key_types <> autoembed.key_types(s), false) as has_altered_key
    from autoembed.embedding_backfill b join autoembed.embedding_source s on s.id = b.source_id where b.source_id = ${source.id}`.execute(
    db,
  );
  return rows[0];
}

/**
 * Since when a backfill embeds every row: of one that is begun for all rows now, no row was embedded since then. One for
 * all rows that was interrupted goes on as it began, whatever it is begun for now.
 * @returns a timestamp as text; undefined where it embeds only rows without a current vector
 */
export async function allSince(
  db: Database,
  { id }: Pick<Source, "id">,
  isAll: boolean,
): Promise<string | undefined> {
  if (isAll) return "infinity";
  const { rows } = await sql<{ since: string }>`
    select b.started_at::text as since from autoembed.embedding_backfill b where b.source_id = ${id} and b.is_all`.execute(
    db,
  );
  return rows[0]?.since;
}

/** Has a backfill begin again with the key that the source has now. @returns whether it does. */
export async function restartBackfill(db: Database, source: Source): Promise<boolean> {
  const { rows } = await sql<{ isRestarted: boolean }>`
    with restarted as (
      update autoembed.embedding_backfill set key_columns = ${keyColumns(source)}, position = null, is_read = false
      where source_id = ${source.id} and key_columns <> ${keyColumns(source)} and ${isUnchanged(source)} returning source_id
    ), dropped as (
      delete from autoembed.embedding_page p using restarted r where p.source_id = r.source_id
    )
    select exists (select from restarted) as "isRestarted"`.execute(db);
  return rows[0]?.isRestarted === true;
}

/** Removes a backfill that has read its whole table and has no page left; or has it read the table again, if it was asked for that. */
export async function endBackfill(db: Database, sourceId: number): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    // In a statement of its own: the next one sees every page that was made before this lock.
    const { rows } = await sql`
      select from autoembed.embedding_backfill where source_id = ${sourceId} and is_read for update`.execute(
      transaction,
    );
    if (rows.length === 0) return;
    const hasEnded = sql`b.source_id = ${sourceId}
        and not exists (select from autoembed.embedding_page p where p.source_id = b.source_id)`;
    const again = await sql`
      with ended as (
        delete from autoembed.embedding_backfill b where ${hasEnded} and not b.reads_again
      )
      update autoembed.embedding_backfill b set position = null, is_read = false, reads_again = false
      where ${hasEnded} and b.reads_again returning b.source_id`.execute(transaction);
    // Not otherwise: whoever is woken looks here again.
    if (again.rows.length > 0) await wakeListeners(transaction, sourceId);
  });
}

/**
 * Of the backfills of these sources that are under way: how many there are, how many of them have stopped at their money,
 * and how many rows they have done.
 */
export async function backfillProgress(
  db: Database,
  sources: readonly Pick<Source, "id">[],
): Promise<{ readonly running: number; readonly stopped: number; readonly done: number }> {
  const { rows } = await sql<{ running: number; stopped: number; done: number }>`
    select count(*)::int as running, (count(*) filter (where b.spent >= b.spends_at_most))::int as stopped, coalesce(sum(b.done), 0)::float8 as done
    from autoembed.embedding_backfill b where b.source_id = any(${sources.map(({ id }) => id)}::int[])`.execute(
    db,
  );
  return rows[0] ?? { running: 0, stopped: 0, done: 0 };
}
