import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";
import { enqueueByPages, enqueueStale } from "../queue/enqueue-stale.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import { hasText, isHeldRow, vectorTableOf } from "../sources/source-sql.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";

/** For `isToCut`: joins what the chunks of the text `row` are, as `p`. */
export function joinChunks(source: ChunkedSource, row: string): RawBuilder<unknown> {
  const content = sql.ref(`${row}.content`);
  return sql`left join lateral (
          select count(*) as count, max(p.end_char) as last,
            bool_or(p.passage is distinct from substr(${content}, p.start_char + 1, p.end_char - p.start_char)) as differs
          from ${vectorTableOf(source)} p where ${isHeldRow(source, "p", row)} offset 0
        ) p on true`;
}

/** That the chunks `p` of the text `row` do not match it; with `all`, that it has a text or chunks. */
export function isToCut(row: string, all: boolean): RawBuilder<boolean> {
  return sql`(${sql.ref(`${row}.fault`)} is not null or ${
    all
      ? sql`${hasText(row)} or p.count > 0`
      : sql`${hasText(row)} = (p.count = 0) or p.differs
              or p.last < char_length(regexp_replace(${sql.ref(`${row}.content`)}, '\\s+$', ''))`
  })`;
}

/**
 * Queues the rows whose chunks do not match their text: a text without
 * chunks, chunks without a text, a chunk that differs from the text at its position, or a text that continues after
 * its last chunk. It does not check whether the text would be cut differently now: `all` cuts every text again.
 * @yields the number of rows that each page added.
 */
export async function* queueStaleChunkedRows(
  db: Database,
  chunkedSource: ChunkedSource,
  all: boolean,
  signal: AbortSignal,
): AsyncGenerator<number> {
  yield* enqueueByPages(
    (from) =>
      withPerRowFallback(chunkedSource, (source) => {
        const stale = sql`${joinChunks(chunkedSource, "t")} where ${isToCut("t", all)}`;
        return enqueueStale(db, source, stale, from);
      }),
    signal,
  );
}
