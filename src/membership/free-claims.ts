import { sql } from "kysely";
import type { Database } from "../database/connect.ts";

/**
 * Frees whatever listener `id` has claimed, and strikes it off the list once nothing of it is left.
 * @param silentMs frees nothing unless the listener has been silent that long, by the server's clock.
 */
export async function freeClaims(db: Database, id: number, silentMs = 0): Promise<void> {
  await sql`select autoembed.free_claims(${id}::int, ${silentMs} * interval '1 millisecond')`.execute(db);
}

/** Rows looked at, a source: what is stranded is among the oldest sooner or later, and costs a millisecond to find there. */
const OLDEST = 500;

/**
 * Frees claims whose owner is not listed at all: its row was deleted by hand, or struck off while the server crashed.
 * There is no index by owner, which every claim would pay for; so only the oldest of each source are looked at.
 * @returns how many.
 */
export async function freeOrphans(db: Database): Promise<number> {
  const { rows } = await sql<{ source_id: number }>`
    with orphans as materialized (
      select o.source_id, o.ticket from autoembed.embedding_source s cross join lateral (
        select q.source_id, q.ticket, q.owner from autoembed.embedding_queue q
        where q.source_id = s.id and q.failed_at is null order by q.ticket limit ${sql.lit(OLDEST)}
      ) o where o.owner is not null and not exists (select from autoembed.embedding_listener l where l.id = o.owner)
    ), free as materialized (
      select q.source_id, q.ticket from orphans o join autoembed.embedding_queue q on q.source_id = o.source_id and q.ticket = o.ticket
      where q.failed_at is null for update of q skip locked
    )
    update autoembed.embedding_queue q set owner = null from free f
    where q.source_id = f.source_id and q.ticket = f.ticket and q.failed_at is null returning q.source_id`.execute(
    db,
  );
  return rows.length;
}

/** That a listener has been silent for that long, or was seen in the future: the server's clock was set back. */
export function isSilent(silentMs: number) {
  const silence = sql`${silentMs} * interval '1 millisecond'`;
  return sql<boolean>`seen_at not between now() - ${silence} and now() + ${silence}`;
}
