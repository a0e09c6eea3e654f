import { setTimeout as delay } from "node:timers/promises";
import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";
import { vectorName } from "../database/pgvector.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import type { Source } from "../sources/source.ts";
import {
  hasText,
  isSameRow,
  isSameVector,
  keyOperator,
  queueKey,
  rowsWithVectors,
  textHash,
  vectorType,
  watchedRows,
} from "../sources/source-sql.ts";

/** Rows looked at in one statement: at first what four lanes of 128 begin with, together; never so many that they hold anything up. */
const FIRST_PAGE_ROWS = 512;
const LARGEST_PAGE_ROWS = 2_000;
/** How long rows that a user holds are left alone before they are looked at again; doubled each time. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;

export interface FindWorkOptions {
  readonly source: Source;
  readonly cacheModel: string;
  /** Every row, whether it has a vector or not. */
  readonly all: boolean;
  /** Ends the wait for rows that somebody holds. */
  readonly signal: AbortSignal;
}

/**
 * Queues the rows of a source that have no current vector, page by page along the key:
 * - a text without a vector, or a vector without a text;
 * - a vector other than the cache's for the text as it is: the text was changed while the triggers were off.
 * A vector that the cache knows nothing of is somebody else's work, and is left alone. Rows that are queued already,
 * pending or failed, stay as they are.
 *
 * A row that a user holds is passed over and looked at again later. To queue it would mean waiting for that user with
 * other queue rows in hand, for which the same user may be waiting: a deadlock.
 *
 * `offset 0` keeps a look into the cache and the queue a look by key. Joined, either is read whole, vectors and all,
 * for every page: 130 ms a page against 40 with 8,000 rows in the cache, and growing with it.
 * @yields how many rows each page added.
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
 * Goes through a table page by page, and through what is left when it is behind it, until nothing was passed over.
 * @yields how many rows each page added.
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
      where t.fault is not null or ${all ? sql`${hasText("t")} or t.vector is not null` : sql`${hasText("t")} = (t.vector is null) or not ${isSameVector(source, sql`e.embedding::${vectorType(source)}`, sql`t.vector`)}`}`;
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
      where ${after === undefined ? sql`true` : isAfter(source, after)}
      order by ${keys(source)} limit ${limit}
    ), stale as (
      select t.* from page t ${what.stale}
    ), ${queueFree(source, "stale")}
    select (select count(*)::int from queued) as queued, (select count(*)::int from passed_over) as "passedOver",
      (select key_texts from page t order by ${keysDescending(source)} limit 1) as last`.execute(db);
  return rows[0] ?? { ...NOTHING_QUEUED, last: null };
}

/** CTEs that queue those rows of the CTE `found` that nobody holds and that are not queued yet. */
function queueFree(source: Source, found: string): RawBuilder<unknown> {
  const same = isSameRow(source, "f", "t");
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
  /** Rows that somebody held, or that are gone by now. */
  readonly passedOver: number;
}

const NOTHING_QUEUED: Queued = { queued: 0, passedOver: 0 };

interface PageStart {
  /** The key of the last row of the page before. */
  readonly after?: readonly string[];
  readonly rows: number;
}

interface Page extends Queued {
  /** The key of the page's last row; null behind the end. */
  readonly last: readonly string[] | null;
}

/** Vectors that the cache holds for another text, on rows whose own text it does not know: left behind by a change unseen. */
async function queueVectorsOfOtherTexts(
  db: Database,
  { source, cacheModel }: FindWorkOptions,
): Promise<Queued> {
  const send = vectorName(source.vectorSchema, `${source.vectorType}_send`);
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

/** That the key of `t` comes after that one. An index serves the comparison of rows, which takes one schema's operators. */
function isAfter(source: Source, texts: readonly string[]): RawBuilder<unknown> {
  const values = source.key.map((column, i) => sql`${texts[i]}::text::${sql.raw(column.type)}`);
  if (source.key.every(({ operators }) => operators === "pg_catalog")) {
    return sql`(${keys(source)}) > (${sql.join(values)})`;
  }
  const arms = source.key.map((column, i) => {
    const conditions = source.key
      .slice(0, i + 1)
      .map((other, j) => sql`${sql.ref(`t.k${j}`)} ${keyOperator(other, j === i ? ">" : "=")} ${values[j]}`);
    return sql`(${sql.join(conditions, sql` and `)})`;
  });
  return sql`(${sql.join(arms, sql` or `)})`;
}
