import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { isUnchanged, keyMatches, watchedRows } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import { isOneOf, type TicketedRow } from "./is-one-of.ts";
import { isFailed, isOpen } from "./row-state.ts";

/**
 * Drops queue rows whose watched row was deleted, with what was made from it, without waiting for a transaction that may
 * be inserting it again; drops none where row-level security may hide the row.
 * @returns the tickets of the rows that were dropped.
 */
export async function dropDeleted(
  db: Database,
  source: Source,
  given: readonly TicketedRow[],
): Promise<string[]> {
  const { rows } = await sql<{ ticket: string }>`
    with held as materialized (
      select q.ticket, q.key from autoembed.embedding_queue q
      where q.source_id = ${source.id} and ${isOneOf(given)} and ${isOpen()}
        and not exists (select from ${watchedRows(source)} t where ${keyMatches(source, "t", "q")})
        and ${isUnchanged(source)}
        and (select not autoembed.hides_rows(s.watched_table) from autoembed.embedding_source s where s.id = ${source.id})
      for update of q skip locked
    ), free as materialized (
      select l.key from autoembed.embedding_ledger l
      where l.source_id = ${source.id} and l.key = any(array(select h.key from held h)) for update skip locked
    ), forgotten as (
      delete from autoembed.embedding_ledger l
      where l.source_id = ${source.id} and l.key = any(array(select f.key from free f))
    ), former as materialized (
      select e.model, e.text_hash from autoembed.embedding_cache e
      where e.source_id = ${source.id} and e.key = any(array(select h.key from held h)) for update skip locked
    ), erased as (
      delete from autoembed.embedding_cache e using former f where e.model = f.model and e.text_hash = f.text_hash
    )
    delete from autoembed.embedding_queue q using held h
    where q.source_id = ${source.id} and ${isOpen()}
        and ${isOneOf(given)} and q.ticket = h.ticket and q.key = h.key
    returning q.ticket`.execute(db);
  return rows.map(({ ticket }) => ticket);
}

export interface Dequeued {
  readonly ticket: string;
  readonly has_failed: boolean;
}

/** Drops rows from the queue whatever their state, with their reasons, as part of a transaction that erases them. */
export async function dropQueued(
  transaction: Database,
  sourceId: number,
  keys: readonly string[],
): Promise<Dequeued[]> {
  const { rows } = await sql<Dequeued>`
    delete from autoembed.embedding_queue q where q.source_id = ${sourceId} and q.key = any(${keys}::text[])
    returning q.ticket, ${isFailed()} as has_failed`.execute(transaction);
  return rows;
}
