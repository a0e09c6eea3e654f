import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { isOpen } from "./row-state.ts";

/** Rows looked at per source: an orphan is among the oldest sooner or later, and is found there in a millisecond. */
const OLDEST = 500;

/**
 * Frees claims whose owner is not registered: its row was deleted by hand, or while the server crashed. There is no index
 * by owner, which every claim would pay for; so only the oldest rows of each source are looked at.
 * A row that was freed and claimed again meanwhile has the same ticket and another owner.
 * @returns how many.
 */
export async function freeOrphans(db: Database): Promise<number> {
  const { rows } = await sql<{ source_id: number }>`
    with orphans as materialized (
      select o.source_id, o.ticket, o.key, o.owner from autoembed.embedding_source s cross join lateral (
        select q.source_id, q.ticket, q.key, q.owner from autoembed.embedding_queue q
        where q.source_id = s.id and ${isOpen()} order by q.ticket limit ${sql.lit(OLDEST)}
      ) o where o.owner is not null and not exists (select from autoembed.embedding_listener l where l.id = o.owner)
    ), free as materialized (
      select q.source_id, q.ticket, q.key from orphans o
      join autoembed.embedding_queue q on q.source_id = o.source_id and q.ticket = o.ticket and q.key = o.key
      where ${isOpen()} and q.owner = o.owner for update of q skip locked
    )
    update autoembed.embedding_queue q set owner = null from free f
    where q.source_id = f.source_id and q.ticket = f.ticket and q.key = f.key and ${isOpen()} returning q.source_id`.execute(
    db,
  );
  return rows.length;
}
