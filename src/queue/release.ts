import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import type { Source } from "../sources/source.ts";
import { isOpen } from "./row-state.ts";

/**
 * Puts rows that `owners` have claimed back to pending, no attempt counted. A queue row that somebody holds is skipped:
 * its ticket is not among those returned, and should be released again later. A row that was taken over meanwhile is
 * left to its new owner.
 * @param delayMs how long the claim leaves them alone.
 * @returns the tickets that are released, or no longer theirs.
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
    with wanted as materialized (select unnest(${tickets}::bigint[]) as ticket),
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
    select w.ticket from wanted w
    where not exists (select from autoembed.embedding_queue q where ${claimed} and q.ticket = w.ticket)`.execute(
    db,
  );
  return rows.map((row) => row.ticket);
}
