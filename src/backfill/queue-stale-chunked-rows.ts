import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { enqueueByPages, enqueueStale } from "../queue/enqueue-stale.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import { hasText, isHeldRow, vectorTableOf } from "../sources/source-sql.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";

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
        const stale = sql`left join lateral (
          select count(*) as count, max(p.end_char) as last,
            bool_or(p.passage is distinct from substr(t.content, p.start_char + 1, p.end_char - p.start_char)) as differs
          from ${vectorTableOf(source)} p where ${isHeldRow(source, "p", "t")} offset 0
        ) p on true
        where t.fault is not null or ${
          all
            ? sql`${hasText("t")} or p.count > 0`
            : sql`${hasText("t")} = (p.count = 0) or p.differs
                or p.last < char_length(regexp_replace(t.content, '\\s+$', ''))`
        }`;
        return enqueueStale(db, source, stale, from);
      }),
    signal,
  );
}
