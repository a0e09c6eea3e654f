import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { wakeListeners } from "../database/wake-listeners.ts";
import { isOfSource } from "./is-of-source.ts";
import { isFailed, retried } from "./row-state.ts";

export interface RetryOptions {
  /** Only rows of this source, and the chunks that its texts are split into. */
  readonly source?: string | undefined;
  /** Only these keys, as the queue writes them. */
  readonly keys?: readonly string[] | undefined;
  /** Only rows that failed for this reason. */
  readonly reason?: string | undefined;
}

/**
 * Makes failed rows pending again, as if their texts had changed now, and wakes the listeners. Skips rows that are locked.
 * @returns how many rows are pending again.
 */
export async function retryFailed(db: Database, { source, keys, reason }: RetryOptions): Promise<number> {
  const { rows } = await sql<{ source_id: number }>`
    with failed as materialized (
      select q.source_id, q.key from autoembed.embedding_queue q join autoembed.embedding_source s on s.id = q.source_id
      where ${isFailed()}
        and ${isOfSource(source)}
        and ${keys === undefined ? sql`true` : sql`q.key = any(${keys}::text[])`}
        and ${reason === undefined ? sql`true` : sql`coalesce(q.last_error, 'unknown') = ${reason}`}
      for update of q skip locked
    )
    update autoembed.embedding_queue q set ${retried}
    from failed f where q.source_id = f.source_id and q.key = f.key
    returning q.source_id`.execute(db);
  if (rows.length > 0) await wakeListeners(db);
  return rows.length;
}
