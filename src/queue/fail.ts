import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { storing } from "../database/storing.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import type { Source } from "../sources/source.ts";
import { isUnchanged, keyMatches, queueKey, textHash, watchedRows } from "../sources/source-sql.ts";
import type { PagedRow } from "./held-claims.ts";
import { isOneOf, type TicketedRow } from "./is-one-of.ts";
import { isOpen } from "./row-state.ts";
import { unknownTenant } from "./unknown-tenant.ts";

/**
 * Marks rows that `owners` have claimed as failed for a fault of their own, until their text changes or they are retried.
 * Skips rows that are locked, and rows that another listener has taken over. @returns the tickets of the others.
 */
export async function fail(
  db: Database,
  source: Pick<Source, "id">,
  given: readonly TicketedRow[],
  owners: readonly number[],
  reason: string,
): Promise<string[]> {
  const isTheirs = sql`q.source_id = ${source.id} and ${isOpen()} and ${isOneOf(given)}
        and q.owner = any(${owners}::int[])`;
  const { rows } = await storing(reason, (reason) =>
    sql<{ ticket: string }>`
    with free as materialized (
      select q.ticket, q.key from autoembed.embedding_queue q where ${isTheirs}
      for update skip locked
    )
    update autoembed.embedding_queue q set failed_at = now(), owner = null, attempts = least(attempts::int + 1, 32767),
      last_error = ${reason}
    from free f where ${isTheirs} and q.ticket = f.ticket and q.key = f.key
    returning q.ticket`.execute(db),
  );
  return rows.map((row) => row.ticket);
}

/**
 * Finds those of the rows that were queued by the very transaction that wrote their last vector, and so by its write: a
 * trigger of the table changes the text, or the text contains what is written. @returns their tickets
 */
export async function findChangedByWrite(
  db: Database,
  source: Pick<Source, "id">,
  given: readonly TicketedRow[],
): Promise<string[]> {
  const { rows } = await sql<{ ticket: string }>`
    select q.ticket from autoembed.embedding_queue q
    join autoembed.embedding_ledger l on l.source_id = q.source_id and l.key = q.key
    where q.source_id = ${source.id} and ${isOpen()} and ${isOneOf(given)}
      and q.queued_at = l.embedded_at`.execute(db);
  return rows.map((row) => row.ticket);
}

/**
 * Enters rows of a page in the queue as failed. Skips rows that are locked, and those whose text has changed since it was
 * read: they are queued, or done, already. @returns the tickets of the others.
 */
export async function failPaged(
  db: Database,
  source: Source,
  paged: readonly PagedRow[],
  reason: string,
): Promise<string[]> {
  return await withPerRowFallback(source, async (source) => {
    const { rows } = await storing(reason, (reason) =>
      sql<{ ticket: string }>`
    with free as materialized (
      select c.ticket, ${queueKey(source, "t")} as key
      from unnest(${paged.map(({ ticket }) => ticket)}::bigint[], ${paged.map(({ key }) => key)}::text[],
        ${paged.map(({ textHash }) => textHash)}::text[]) as c(ticket, key, text_hash)
      join ${watchedRows(source)} t on ${keyMatches(source, "t", "c")}
      where ${textHash("t")} is not distinct from decode(c.text_hash, 'hex') and ${isUnchanged(source)}
      for no key update of t skip locked
    ), failed as (
      insert into autoembed.embedding_queue (source_id, key, failed_at, attempts, last_error, tenant)
      select ${source.id}, f.key, now(), 1, ${reason}, ${unknownTenant(source)} from free f order by f.key
      on conflict (source_id, key) do nothing
    )
    select f.ticket from free f`.execute(db),
    );
    return rows.map((row) => row.ticket);
  });
}
