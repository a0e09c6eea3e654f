import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import type { Source } from "../sources/source.ts";
import { isOpen } from "./row-state.ts";

/** Marks rows as failed for a fault of their own, until their text changes or they are retried. Skips rows that are locked. @returns the tickets of the others. */
export async function fail(
  db: Database,
  source: Pick<Source, "id">,
  tickets: readonly string[],
  reason: string,
): Promise<string[]> {
  const { rows } = await sql<{ ticket: string }>`
    with free as materialized (
      select q.ticket from autoembed.embedding_queue q
      where q.source_id = ${source.id} and ${isOpen()} and q.ticket = any(${tickets}::bigint[])
      for update skip locked
    )
    update autoembed.embedding_queue q set failed_at = now(), owner = null, attempts = attempts + 1, last_error = ${reason}
    from free f where q.source_id = ${source.id} and ${isOpen()}
        and q.ticket = any(${tickets}::bigint[]) and q.ticket = f.ticket
    returning q.ticket`.execute(db);
  return rows.map((row) => row.ticket);
}
