import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { delayIsOver } from "../database/delay-is-over.ts";
import { isAfter, keyDescending, keyTexts, type KeyTexts } from "../sources/key-order.ts";
import { withReadableKeys } from "../sources/readable-keys.ts";
import { respellKeys } from "../sources/respell-keys.ts";
import { isUnchanged, keysOf, watchedKeys } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import { endBackfill, findBackfill, restartBackfill, type Backfill } from "./backfills.ts";

/** Rows of the table that a page is made of: eight requests of 128 texts, where all are to be embedded. */
const PAGE_ROWS = 1_024;

/** Where nothing was to be embedded. No more: their vectors may all have to be entered in the ledger, in one statement. */
const CURRENT_PAGE_ROWS = 4 * PAGE_ROWS;

/** Pages that were given back, beyond which no further ones are made: rows of many may be locked for long. */
const MOST_FREE = 64;

/** A range of keys whose rows one listener embeds. */
export interface Page {
  /** `embedding_page.id`, a bigint as text. */
  readonly id: string;
  /** The key before its first row. */
  readonly after: KeyTexts | null;
  /** The key of its last row. */
  readonly upto: KeyTexts;
  /** How often it was given back. */
  readonly attempts: number;
}

export interface TakenPage extends Page, Pick<Backfill, "all_since"> {}

/** Who takes a page, and what for. */
export interface Taker {
  /** embedding_listener.id */
  readonly owner: number;
  /** The pages that this process has, although it may have been taken for dead: no row may be read twice here. */
  readonly held: readonly string[];
  /** Its texts are put into a batch; else they are embedded at once. */
  readonly forBatch?: boolean;
  /** It has just read a page with nothing to embed, so that the next one may be as current. */
  readonly isAmongCurrent?: boolean;
}

/** Sources whose keys were looked at: some may stay as they are, of rows that others hold locked. */
const respelled = new WeakSet<Source>();

/**
 * Takes a page of the source's backfill: one that was given back, or else the next one.
 * @returns undefined where there is no backfill, or none of its pages can be taken now
 */
export async function takePage(db: Database, source: Source, taker: Taker): Promise<TakenPage | undefined> {
  return await withReadableKeys(db, [source], () => takeAny(db, source, taker));
}

async function takeAny(db: Database, source: Source, taker: Taker): Promise<TakenPage | undefined> {
  for (;;) {
    const backfill = await findBackfill(db, source);
    if (backfill === undefined) return undefined;
    if (backfill.has_altered_key && !respelled.has(source)) {
      respelled.add(source);
      await respellKeys(db, source);
    }
    if (!backfill.is_of_key) {
      if (await restartBackfill(db, source)) continue;
      return undefined;
    }
    const page =
      (await takeFree(db, source, taker, backfill)) ?? (await takeNext(db, source, taker, backfill));
    if (page === "moved") continue;
    return page === undefined ? undefined : { ...page, all_since: backfill.all_since };
  }
}

async function takeFree(
  db: Database,
  source: Source,
  { owner, held, forBatch = false }: Taker,
  { in_batches }: Backfill,
): Promise<Page | undefined> {
  // Pages that a filler gave back after the backfill was asked for without batches are any worker's.
  const isForTaker = forBatch || in_batches ? sql`f.for_batch = ${forBatch}` : sql`true`;
  const { rows } = await sql<Page>`
    update autoembed.embedding_page p set owner = l.id, for_batch = ${forBatch}
    from (select id from autoembed.embedding_listener where id = ${owner} and ${isUnchanged(source)} for key share) l
    where p.id = (
      select f.id from autoembed.embedding_page f
      where f.source_id = ${source.id} and f.owner is null and f.batch_id is null and ${isForTaker} and ${delayIsOver("f.not_before")}
        and f.id <> all(${held}::bigint[])
      order by f.id limit 1 for update skip locked)
    returning p.id, p.after, p.upto, p.attempts`.execute(db);
  return rows[0];
}

/**
 * Makes a page of the next rows. No lock is held while they are read: a cursor that another process has moved in the
 * meantime is read again.
 * @returns undefined at the end of the table; `moved` when it is to be tried again
 */
async function takeNext(
  db: Database,
  source: Source,
  { owner, forBatch = false, isAmongCurrent = false }: Taker,
  { is_read, position, in_batches }: Backfill,
): Promise<Page | "moved" | undefined> {
  if (is_read) {
    await endBackfill(db, source.id);
    return undefined;
  }
  if (in_batches !== forBatch) return undefined;
  const { rows } = await sql<{ id: string | null; upto: KeyTexts | null; mayMove: boolean }>`
    with page as materialized (
      select t.*, ${keyTexts(source, "t")} as key_texts from ${watchedKeys(source)} t
      where ${position === null ? sql`true` : isAfter(source, "t", position)} and ${isUnchanged(source)}
      order by ${keysOf(source, "t")} limit ${isAmongCurrent ? CURRENT_PAGE_ROWS : PAGE_ROWS}
    ), last as materialized (
      select (select t.key_texts from page t order by ${keyDescending(source, "t")} limit 1) as key_texts
    ), registered as materialized (
      select l.id from autoembed.embedding_listener l where l.id = ${owner} and ${isUnchanged(source)}
        and (select count(*) from autoembed.embedding_page f where f.source_id = ${source.id} and f.owner is null and f.batch_id is null) < ${MOST_FREE}
      for key share
    ), moved as (
      update autoembed.embedding_backfill b set
        position = coalesce(l.key_texts, b.position), is_read = l.key_texts is null
      from last l, registered
      where b.source_id = ${source.id} and not b.is_read and b.in_batches = ${forBatch} and b.position is not distinct from ${position}::text[]
      returning l.key_texts
    ), made as (
      insert into autoembed.embedding_page (source_id, after, upto, owner, for_batch)
      select ${source.id}, ${position}::text[], m.key_texts, ${owner}, ${forBatch} from moved m where m.key_texts is not null
      returning id, upto
    )
    select m.id, m.upto, exists (select from registered) as "mayMove"
    from (values (1)) one left join made m on true`.execute(db);
  const [next] = rows;
  if (next?.mayMove !== true) return undefined;
  return next.id === null || next.upto === null
    ? "moved"
    : { id: next.id, after: position, upto: next.upto, attempts: 0 };
}

/** Whether a page is still to be read: where a source has another key, its pages are dropped. */
export async function hasPage(db: Database, { id }: Pick<Page, "id">): Promise<boolean> {
  const { rows } = await sql`select from autoembed.embedding_page p where p.id = ${id}::bigint`.execute(db);
  return rows.length > 0;
}
