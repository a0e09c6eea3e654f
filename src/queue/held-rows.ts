import { sql, type RawBuilder } from "kysely";
import { keyMatches, watchedRows } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";

/** Queue rows `q` with the watched rows `t` that they name. */
export function queuedRows(source: Source): RawBuilder<unknown> {
  return sql`autoembed.embedding_queue q join ${watchedRows(source)} t on ${keyMatches(source, "t", "q")}`;
}

/**
 * The same for rows `c` with the `ticket`, the `ctid` and the `key` of each queue row right after its claim: one that was changed
 * since is elsewhere, and not found. No index serves these conditions, so that none can be chosen by mistake.
 */
function claimedRows(source: Source, claimed: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`${claimed} join autoembed.embedding_queue q on q.ctid = c.ctid and q.ticket = c.ticket and q.key || '' = c.key
        join ${watchedRows(source)} t on ${keyMatches(source, "t", "q")}`;
}

/** Where claimed rows come from: the queue, or a page of a backfill, whose rows have no place in the queue. */
export type ClaimKind = "queued" | "paged";

/** A claimed row, as the statements over many of them are given it. */
export interface HeldRow {
  readonly ticket: string;
  /** See `ClaimedRow`. */
  readonly ctid: string | null;
  readonly key: string;
}

/** Runs a statement for those of the rows that are of each kind. */
export async function forEachKind<Row extends HeldRow, Result>(
  rows: readonly Row[],
  statement: (kind: ClaimKind, rows: readonly Row[]) => Promise<Result[]>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (const kind of ["queued", "paged"] as const) {
    const ofKind = rows.filter(({ ctid }) => (ctid === null) === (kind === "paged"));
    if (ofKind.length > 0) results.push(...(await statement(kind, ofKind)));
  }
  return results;
}

/** Claimed rows `c` with the `ticket`, the `ctid` and the `key` of each, joined with their watched rows `t`. */
export function heldRows(source: Source, kind: ClaimKind, claimed: RawBuilder<unknown>): RawBuilder<unknown> {
  return kind === "queued"
    ? claimedRows(source, claimed)
    : sql`${claimed} join ${watchedRows(source)} t on ${keyMatches(source, "t", "c")}`;
}

/** The locks of a statement over `heldRows`. */
export function lockHeld(kind: ClaimKind): RawBuilder<unknown> {
  return kind === "queued" ? lockRowThenQueue : sql`for no key update of t skip locked`;
}

/**
 * The lock order of every statement that writes a vector: the user's row, then the queue's, then the vector's (see
 * `writableCte`). A user's delete or change of a key takes them in this order too. In whatever order others do, a row that another transaction holds is left out.
 */
export const lockRowThenQueue = sql`for no key update of t skip locked for update of q skip locked`;
