import { sql, type RawBuilder } from "kysely";
import type { Source } from "../sources/source.ts";
import { isOpen } from "./row-state.ts";
import { queueKey } from "../sources/source-sql.ts";

/** That the queue has a row of that source with that key, in whatever state. */
export function isQueued(sourceId: number, key: RawBuilder<unknown>): RawBuilder<boolean> {
  return sql`exists (select from autoembed.embedding_queue e where e.source_id = ${sourceId} and e.key = ${key})`;
}

/** The same, looked up by key for each row: joined, the queue may be read whole. */
export function isQueuedByLookup(sourceId: number, key: RawBuilder<unknown>): RawBuilder<boolean> {
  return sql`exists (select from autoembed.embedding_queue e where e.source_id = ${sql.lit(sourceId)} and e.key = ${key} offset 0)`;
}

/** The same of one that has been there since before the ticket, changed or not. */
export function isQueuedSince(
  sourceId: number,
  key: RawBuilder<unknown>,
  ticket: RawBuilder<unknown>,
): RawBuilder<boolean> {
  return sql`exists (select from autoembed.embedding_queue e where e.source_id = ${sql.lit(sourceId)} and e.key = ${key}
    and coalesce(e.first_ticket, e.ticket) <= ${ticket} offset 0)`;
}

/** The same of a row that is pending or claimed. */
export function isQueuedAndOpen(sourceId: number, key: RawBuilder<unknown>): RawBuilder<boolean> {
  return sql`exists (select from autoembed.embedding_queue e
    where e.source_id = ${sql.lit(sourceId)} and e.key = ${key} and ${isOpen("e")} offset 0)`;
}

/** That a backfill works on the queued row, or queues it: it is pending or claimed, or `isStale` and not failed. */
export function isToWorkOn(
  { id }: Pick<Source, "id">,
  key: RawBuilder<unknown>,
  isStale: RawBuilder<boolean>,
): RawBuilder<boolean> {
  return sql`(${isQueuedAndOpen(id, key)} or (${isStale} and not ${isQueuedByLookup(id, key)}))`;
}

/** That a row of any source is queued under that ticket. */
export function isQueuedTicket(ticket: RawBuilder<unknown>): RawBuilder<boolean> {
  return sql`exists (select from autoembed.embedding_queue q where q.ticket = ${ticket})`;
}

/** Joins the queue's row `q` of the watched row `row`, with nulls where it is not queued. */
export function joinQueue(source: Source, row: string): RawBuilder<unknown> {
  return sql`left join autoembed.embedding_queue q on q.source_id = ${source.id} and q.key = ${queueKey(source, row)}`;
}

/** `isOpenRow` by the whole key, also where the plan was made on an empty queue: an index of the open rows cannot serve it. */
export function isOpenByLookup(row: string): RawBuilder<boolean> {
  return sql`coalesce((select ${isOpen()} from autoembed.embedding_queue q
          where q.source_id = ${sql.ref(`${row}.source_id`)} and q.key = ${sql.ref(`${row}.key`)} offset 0), false)`;
}

/** That the row of a table with `source_id` and `key` is pending or claimed. */
export function isOpenRow(row: string): RawBuilder<boolean> {
  return sql`exists (select from autoembed.embedding_queue q
          where q.source_id = ${sql.ref(`${row}.source_id`)} and q.key = ${sql.ref(`${row}.key`)} and ${isOpen()})`;
}

/** The keys of all that these sources have in the queue. */
export function queuedKeys(sources: readonly Pick<Source, "id">[]): RawBuilder<unknown> {
  return sql`select q.key from autoembed.embedding_queue q where q.source_id = any(${sources.map(({ id }) => id)}::int[])`;
}
