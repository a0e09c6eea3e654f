import { sql } from "kysely";
import { numbersParameter, textsParameter } from "../database/array-parameter.ts";
import type { Database } from "../database/connect.ts";
import type { Source } from "../sources/source.ts";
import { isOneOf, type TicketedRow } from "./is-one-of.ts";
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
  given: readonly TicketedRow[],
  owners: readonly number[],
  delayMs: number,
): Promise<string[]> {
  const tickets = given.map(({ ticket }) => ticket);
  const keys = given.map(({ key }) => key);
  const claimed = sql`q.source_id = ${source.id} and ${isOpen()} and ${isOneOf(given)}
    and q.owner = any(${owners}::int[])`;
  const { rows } = await sql<{ ticket: string }>`
    with given as materialized (
      select * from unnest(${numbersParameter(tickets)}::bigint[], ${textsParameter(keys)}::text[]) as g(ticket, key)
    ),
    free as materialized (
      select q.ticket, q.key from autoembed.embedding_queue q
      where ${claimed}
      for update skip locked
    ), released as (
      update autoembed.embedding_queue q set owner = null, not_before = now() + ${delayMs} * interval '1 millisecond'
      from free f where ${claimed} and q.ticket = f.ticket and q.key = f.key
    )
    select ticket from free
    union
    select g.ticket from given g
    where not exists (select from autoembed.embedding_queue q where ${claimed} and q.ticket = g.ticket and q.key = g.key)`.execute(
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
