import { sql } from "kysely";
import { queueByPages, queuePageOf } from "./find-work.ts";
import type { Database } from "../database/connect.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import { hasText, isHeldRow, vectorTableOf, watchedRows } from "../sources/source-sql.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";

/**
 * Queues the rows whose passages are not those of their text, as `queueStaleRows` does rows without a vector: a text
 * without passages, passages without a text, passages that do not stand in the text where they say, or a text that goes
 * on behind the last. How a text would be cut now is not asked: `all` cuts every one anew.
 * @yields how many rows each page added.
 */
export async function* queueStaleChunkedRows(
  db: Database,
  chunkedSource: ChunkedSource,
  all: boolean,
  signal: AbortSignal,
): AsyncGenerator<number> {
  yield* queueByPages(
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
        return queuePageOf(db, source, { rows: watchedRows(source), stale }, from);
      }),
    signal,
  );
}
