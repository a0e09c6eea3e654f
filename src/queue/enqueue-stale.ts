import { setTimeout as delay } from "node:timers/promises";
import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";
import { isAfter, keyDescending, keyTexts } from "../sources/key-order.ts";
import {
  isSameRow,
  keyFits,
  keyMatches,
  keysOf,
  queueKey,
  watchedKeys,
  watchedRows,
} from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import { isQueuedByLookup } from "./is-queued.ts";
import { unknownTenant } from "./unknown-tenant.ts";

/**
 * Rows that one statement examines. After the first of them, texts are cut while the next are read; the largest number stays
 * small enough that its locks delay no one noticeably.
 */
const FIRST_PAGE_ROWS = 512;
const LARGEST_PAGE_ROWS = 2_000;
/** Wait before the rows that a user's transaction had locked are tried again; doubled each time. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;

interface PageStart {
  /** The key of the previous page's last row. */
  readonly after?: readonly string[];
  readonly rows: number;
}

interface Page {
  readonly queued: number;
  /** Rows that were skipped: another transaction has locked or deleted them. */
  readonly passedOver: number;
  /** The key of the page's last row; null after the last page. */
  readonly last: readonly string[] | null;
}

/**
 * Reads a table page by page, and repeats until no row was skipped.
 *
 * A row that a user's transaction has locked is skipped and tried again later. Queuing it would mean waiting for that
 * transaction while holding locks on other queue rows, for which the same transaction may be waiting: a deadlock.
 * @yields the number of rows that each page added.
 */
export async function* enqueueByPages(
  enqueueNext: (from: PageStart) => Promise<Page>,
  signal: AbortSignal,
): AsyncGenerator<number> {
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    let passedOver = 0;
    let from: PageStart | undefined = { rows: FIRST_PAGE_ROWS };
    do {
      const page: Page = await enqueueNext(from);
      const rows = Math.min(2 * from.rows, LARGEST_PAGE_ROWS);
      from = page.last === null ? undefined : { after: page.last, rows };
      passedOver += page.passedOver;
      yield page.queued;
    } while (from !== undefined);
    if (passedOver === 0) return;
    await delay(pause, undefined, { signal }).catch(() => undefined);
    yield 0;
  }
}

/**
 * Queues the stale rows of a page that are neither locked nor queued already.
 * @param stale joins and a condition over a row `t` of `watchedRows`
 */
export async function enqueueStale(
  db: Database,
  source: Source,
  stale: RawBuilder<unknown>,
  { after, rows: limit }: PageStart,
): Promise<Page> {
  const same = isSameRow(source, "f", "t");
  const { rows } = await sql<Page>`
    with page as materialized (
      select t.*, ${keyTexts(source, "t")} as key_texts from ${watchedRows(source)} t
      where ${after === undefined ? sql`true` : isAfter(source, "t", after)}
      order by ${keysOf(source, "t")} limit ${limit}
    ), unqueued as materialized (
      select f.* from (select t.* from page t ${stale}) f where ${keyFits(source, "f")}
        and not ${isQueuedByLookup(source.id, queueKey(source, "f"))}
    ), free as materialized (
      select ${keysOf(source, "t")} from unqueued f join ${watchedRows(source)} t on ${same}
      for no key update of t skip locked
    ), queued as (
      insert into autoembed.embedding_queue (source_id, key, tenant)
      select ${source.id}, ${queueKey(source, "t")}, ${unknownTenant(source)} from free t
      on conflict (source_id, key) do nothing returning 1
    ), passed_over as (
      select from unqueued f where not exists (select from free t where ${same})
    )
    select (select count(*)::int from queued) as queued, (select count(*)::int from passed_over) as "passedOver",
      (select key_texts from page t order by ${keyDescending(source, "t")} limit 1) as last`.execute(db);
  return rows[0] ?? { queued: 0, passedOver: 0, last: null };
}

/**
 * Queues the rows of these keys that exist. A part of a transaction that holds a lock on the table: no row is being
 * written.
 * @param keys selects each `key`, as the queue writes it
 * @returns the number of rows that were not queued before
 */
export async function enqueueKeys(
  transaction: Database,
  source: Source,
  keys: RawBuilder<unknown>,
): Promise<number> {
  const { rows } = await sql<{ queued: number }>`
    with named as materialized (select distinct k.key from (${keys}) k), queued as (
      insert into autoembed.embedding_queue (source_id, key, tenant) select ${source.id}, ${queueKey(source, "t")}, ${unknownTenant(source)}
      from named n join ${watchedKeys(source)} t on ${keyMatches(source, "t", "n")} where ${keyFits(source, "t")}
      on conflict (source_id, key) do nothing returning 1
    ) select count(*)::float8 as queued from queued`.execute(transaction);
  return rows[0]?.queued ?? 0;
}
