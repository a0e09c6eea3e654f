import { setTimeout as delay } from "node:timers/promises";
import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import type { Source } from "../sources/source.ts";
import {
  hasText,
  queueKey,
  rowsWithVectors,
  textHash,
  vectorType,
  watchedRows,
} from "../sources/source-sql.ts";

/**
 * Rows that one statement examines. The first page fills four requests of 128 texts; the largest stays small enough
 * that its locks delay no one noticeably.
 */
const FIRST_PAGE_ROWS = 512;
const LARGEST_PAGE_ROWS = 2_000;
/** Wait before the rows that a user's transaction had locked are tried again; doubled each time. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;

export interface FindWorkOptions {
  readonly source: Source;
  readonly cacheModel: string;
  /** Queues every row, even if it has a current vector. */
  readonly all: boolean;
  /** Ends the wait for locked rows. */
  readonly signal: AbortSignal;
}

/**
 * Queues the rows of a source that have no current vector, page by page in key order:
 * - a text without a vector, or a vector without a text;
 * - a vector that differs from the cache's vector for the current text: the text changed while the triggers were off.
 * A vector that the cache has never held was made by another tool, and is left alone. Rows that are already queued,
 * pending or failed, stay as they are.
 *
 * A row that a user's transaction has locked is skipped and tried again later. Queuing it would mean waiting for that
 * transaction while holding locks on other queue rows, for which the same transaction may be waiting: a deadlock.
 *
 * `offset 0` makes Postgres look up the cache and the queue by key. Joined, each is read whole, vectors included, for
 * every page: 130 ms per page instead of 40 ms with 8,000 rows in the cache, and growing with it.
 * @yields the number of rows that each page added.
 */
export async function* queueStaleRows(db: Database, options: FindWorkOptions): AsyncGenerator<number> {
  const { source, all } = options;
  yield* queueByPages(
    (from) => withPerRowFallback(source, (source) => queuePage(db, { ...options, source }, from)),
    options.signal,
    async () =>
      all
        ? NOTHING_QUEUED
        : await withPerRowFallback(source, (source) => queueVectorsOfOtherTexts(db, { ...options, source })),
  );
}

/**
 * Reads a table page by page, then `queueRest`, and repeats until no row was skipped.
 * @yields the number of rows that each page added.
 */
export async function* queueByPages(
  queueNext: (from: PageStart) => Promise<Page>,
  signal: AbortSignal,
  queueRest: () => Promise<Queued> = () => Promise.resolve(NOTHING_QUEUED),
): AsyncGenerator<number> {
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    let passedOver = 0;
    let from: PageStart | undefined = { rows: FIRST_PAGE_ROWS };
    do {
      const page: Page = await queueNext(from);
      const rows = Math.min(2 * from.rows, LARGEST_PAGE_ROWS);
      from = page.last === null ? undefined : { after: page.last, rows };
      passedOver += page.passedOver;
      yield page.queued;
    } while (from !== undefined);
    const rest = await queueRest();
    passedOver += rest.passedOver;
    yield rest.queued;
    if (passedOver === 0) return;
    await delay(pause, undefined, { signal }).catch(() => undefined);
    yield 0;
  }
}

async function queuePage(
  db: Database,
  { source, cacheModel, all }: FindWorkOptions,
  from: PageStart,
): Promise<Page> {
  const stale = sql`left join lateral (
        select e.embedding from autoembed.embedding_cache e
        where t.vector is not null and e.model = ${cacheModel} and e.text_hash = ${textHash("t")} offset 0
      ) e on true
      where t.fault is not null or ${all ? sql`${hasText("t")} or t.vector is not null` : sql`${hasText("t")} = (t.vector is null) or e.embedding::${vectorType(source)} <> t.vector`}`;
  return await queuePageOf(db, source, { rows: rowsWithVectors(source), stale }, from);
}

/**
 * Queues the stale rows of a page.
 * @param what `rows` as `(k0, k1, …, content, fault, …)`; `stale`, joins and a condition over such a row `t`.
 */
export async function queuePageOf(
  db: Database,
  source: Source,
  what: { readonly rows: RawBuilder<unknown>; readonly stale: RawBuilder<unknown> },
  { after, rows: limit }: PageStart,
): Promise<Page> {
  const { rows } = await sql<Page>`
    with page as materialized (
      select t.*, ${keyTexts(source)} as key_texts from ${what.rows} t
      where ${after === undefined ? sql`true` : sql`(${keys(source)}) > (${keyValues(source, after)})`}
      order by ${keys(source)} limit ${limit}
    ), stale as (
      select t.* from page t ${what.stale}
    ), ${queueFree(source, "stale")}
    select (select count(*)::int from queued) as queued, (select count(*)::int from passed_over) as "passedOver",
      (select key_texts from page t order by ${keysDescending(source)} limit 1) as last`.execute(db);
  return rows[0] ?? { ...NOTHING_QUEUED, last: null };
}

/** CTEs that queue those rows of the CTE `found` that are neither locked nor already queued. */
function queueFree(source: Source, found: string): RawBuilder<unknown> {
  const same = sql.join(
    source.key.map((_, i) => sql`${sql.ref(`f.k${i}`)} = ${sql.ref(`t.k${i}`)}`),
    sql` and `,
  );
  return sql`wanted as materialized (
      select f.* from ${sql.id(found)} f
      where not exists (
        select from autoembed.embedding_queue q where q.source_id = ${source.id} and q.key = ${queueKey(source, "f")} offset 0)
    ), free as materialized (
      select ${keys(source)} from wanted f join ${watchedRows(source)} t on ${same}
      for no key update of t skip locked
    ), queued as (
      insert into autoembed.embedding_queue (source_id, key) select ${source.id}, ${queueKey(source, "t")} from free t
      on conflict (source_id, key) do nothing returning 1
    ), passed_over as (
      select from wanted f where not exists (select from free t where ${same})
    )`;
}

interface Queued {
  readonly queued: number;
  /** Rows that were skipped: another transaction has locked or deleted them. */
  readonly passedOver: number;
}

const NOTHING_QUEUED: Queued = { queued: 0, passedOver: 0 };

interface PageStart {
  /** The key of the previous page's last row. */
  readonly after?: readonly string[];
  readonly rows: number;
}

interface Page extends Queued {
  /** The key of the page's last row; null after the last page. */
  readonly last: readonly string[] | null;
}

/**
 * Queues rows whose text the cache does not know and whose vector it holds for another text: the text changed while
 * the triggers were off.
 */
async function queueVectorsOfOtherTexts(
  db: Database,
  { source, cacheModel }: FindWorkOptions,
): Promise<Queued> {
  const send = sql.raw(`${source.vectorType}_send`);
  const { rows } = await sql<Queued>`
    with unknown as materialized (
      select t.* from ${rowsWithVectors(source)} t
      where t.vector is not null and ${hasText("t")}
        and exists (select from autoembed.embedding_cache where model = ${cacheModel})
        and not exists (select from autoembed.embedding_cache e where e.model = ${cacheModel} and e.text_hash = ${textHash("t")})
    ), found as materialized (
      select t.* from unknown t
      where sha256(${send}(t.vector)) in (
        select sha256(${send}(e.embedding::${vectorType(source)})) from autoembed.embedding_cache e
        where e.model = ${cacheModel} and exists (select from unknown))
    ), ${queueFree(source, "found")}
    select (select count(*)::int from queued) as queued, (select count(*)::int from passed_over) as "passedOver"`.execute(
    db,
  );
  return rows[0] ?? { queued: 0, passedOver: 0 };
}

function keys(source: Source): RawBuilder<unknown> {
  return sql.join(source.key.map((_, i) => sql.ref(`t.k${i}`)));
}

function keysDescending(source: Source): RawBuilder<unknown> {
  return sql.join(source.key.map((_, i) => sql`${sql.ref(`t.k${i}`)} desc`));
}

function keyTexts(source: Source): RawBuilder<unknown> {
  return sql`array[${sql.join(source.key.map((_, i) => sql`${sql.ref(`t.k${i}`)}::text`))}]`;
}

function keyValues(source: Source, texts: readonly string[]): RawBuilder<unknown> {
  return sql.join(source.key.map((column, i) => sql`${texts[i]}::text::${sql.raw(column.type)}`));
}
