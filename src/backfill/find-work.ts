import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { vectorName } from "../database/pgvector.ts";
import {
  enqueueByPages,
  enqueued,
  enqueueFree,
  enqueuePage,
  NOTHING_ENQUEUED,
  type Enqueued,
} from "../queue/enqueue-pages.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import type { Source } from "../sources/source.ts";
import { hasText, isSameVector, rowsWithVectors, textHash, vectorType } from "../sources/source-sql.ts";

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
 * `offset 0` makes Postgres look up the cache and the queue by key. Joined, each is read whole, vectors included, for
 * every page: 130 ms per page instead of 40 ms with 8,000 rows in the cache, and growing with it.
 * @yields the number of rows that each page added.
 */
export async function* queueStaleRows(db: Database, options: FindWorkOptions): AsyncGenerator<number> {
  const { source, cacheModel, all, signal } = options;
  yield* enqueueByPages(
    (from) =>
      withPerRowFallback(source, (source) => {
        const stale = sql`left join lateral (
          select e.embedding from autoembed.embedding_cache e
          where t.vector is not null and e.model = ${cacheModel} and e.text_hash = ${textHash("t")} offset 0
        ) e on true
        where t.fault is not null or ${all ? sql`${hasText("t")} or t.vector is not null` : sql`${hasText("t")} = (t.vector is null) or not ${isSameVector(source, sql`e.embedding::${vectorType(source)}`, sql`t.vector`)}`}`;
        return enqueuePage(db, source, { rows: rowsWithVectors(source), stale }, from);
      }),
    signal,
    async () =>
      all
        ? NOTHING_ENQUEUED
        : await withPerRowFallback(source, (source) => queueVectorsOfOtherTexts(db, { ...options, source })),
  );
}

/**
 * Queues rows whose text the cache does not know and whose vector it holds for another text: the text changed while
 * the triggers were off.
 */
async function queueVectorsOfOtherTexts(
  db: Database,
  { source, cacheModel }: FindWorkOptions,
): Promise<Enqueued> {
  const send = vectorName(source.vectorSchema, `${source.vectorType}_send`);
  const { rows } = await sql<Enqueued>`
    with unknown as materialized (
      select t.* from ${rowsWithVectors(source)} t
      where t.vector is not null and ${hasText("t")}
        and exists (select from autoembed.embedding_cache where model = ${cacheModel})
        and not exists (select from autoembed.embedding_cache e where e.model = ${cacheModel} and e.text_hash = ${textHash("t")})
    ), candidates as materialized (
      select t.* from unknown t
      where sha256(${send}(t.vector)) in (
        select sha256(${send}(e.embedding::${vectorType(source)})) from autoembed.embedding_cache e
        where e.model = ${cacheModel} and exists (select from unknown))
    ), ${enqueueFree(source, "candidates")}
    select ${enqueued}`.execute(db);
  return rows[0] ?? NOTHING_ENQUEUED;
}
