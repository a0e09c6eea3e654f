import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import type { Source } from "../sources/source.ts";
import { isOpen } from "./row-state.ts";

/**
 * Makes rows that `owners` have claimed pending again. A queue row that another transaction has locked
 * is skipped: its ticket is not returned, and must be released again later. A row that another listener has taken over
 * stays with that listener.
 * @param delayMs how long the claim leaves the rows alone.
 * @returns the tickets that are released, or that these owners no longer have.
 */
export async function release(
  db: Database,
  source: Pick<Source, "id">,
  tickets: readonly string[],
  owners: readonly number[],
  delayMs: number,
): Promise<string[]> {
  const claimed = sql`q.source_id = ${source.id} and ${isOpen()} and q.ticket = any(${tickets}::bigint[])
    and q.owner = any(${owners}::int[])`;
  const { rows } = await sql<{ ticket: string }>`
    with given as materialized (select unnest(${tickets}::bigint[]) as ticket),
    free as materialized (
      select q.ticket from autoembed.embedding_queue q
      where ${claimed}
      for update skip locked
    ), released as (
      update autoembed.embedding_queue q set owner = null, not_before = now() + ${delayMs} * interval '1 millisecond'
      from free f where q.source_id = ${source.id} and ${isOpen()}
        and q.ticket = any(${tickets}::bigint[]) and q.ticket = f.ticket
    )
    select ticket from free
    union
    select g.ticket from given g
    where not exists (select from autoembed.embedding_queue q where ${claimed} and q.ticket = g.ticket)`.execute(
    db,
  );
  return rows.map((row) => row.ticket);
}

/**
 * Releases claimed rows under tickets of their own.
 * @returns whether that was possible for all: a user's transaction may hold one.
 */
export async function giveNewTickets(
  db: Database,
  source: Pick<Source, "id">,
  keys: readonly string[],
  owner: number,
): Promise<boolean> {
  const { rows } = await sql`
    with free as materialized (
      select q.key from autoembed.embedding_queue q
      where q.source_id = ${source.id} and q.key = any(${keys}::text[]) and q.owner = ${owner}
      for update skip locked
    )
    update autoembed.embedding_queue q set ticket = nextval('autoembed.embedding_ticket'), owner = null
    from free f where q.source_id = ${source.id} and q.key = f.key
    returning q.key`.execute(db);
  return rows.length === keys.length;
}
