import { sql, type RawBuilder } from "kysely";
import { keyMatches, watchedRows } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";

/** Queue rows `q` with the watched rows `t` that they name. */
export function queuedRows(source: Source): RawBuilder<unknown> {
  return sql`autoembed.embedding_queue q join ${watchedRows(source)} t on ${keyMatches(source, "t", "q")}`;
}

/**
 * The same for rows `c` with the `ticket` and the `ctid` of each queue row right after its claim: one that was changed
 * since is elsewhere, and not found. No index serves the condition on `ctid`, so that none can be chosen by mistake.
 */
export function claimedRows(source: Source, claimed: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`${claimed} join autoembed.embedding_queue q on q.ctid = c.ctid and q.ticket = c.ticket
        join ${watchedRows(source)} t on ${keyMatches(source, "t", "q")}`;
}

/**
 * The lock order of every statement that writes a vector: the user's row, then the queue's, then the vector's (see
 * `writableCte`). A user's transaction takes them in this order too. A row that another transaction holds is left out.
 */
export const lockRowThenQueue = sql`for no key update of t skip locked for update of q skip locked`;
