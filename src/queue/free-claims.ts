import { sql } from "kysely";
import type { Database } from "../database/connect.ts";

/**
 * Frees whatever listener `id` has claimed, and strikes it off the list once nothing of it is left; what a user holds
 * locked is freed by a later call.
 *
 * Its row is locked first. A claim holds that row too while it runs, so no claim can slip in behind this, however late
 * its statement reaches the server: it finds no row, and claims nothing.
 * @param silentMs frees nothing unless the listener has been silent that long, by the server's clock.
 * @returns whether anything is free now that was not.
 */
export async function freeClaims(db: Database, id: number, silentMs = 0): Promise<boolean> {
  return await db.transaction().execute(async (transaction) => {
    const { rows } = await sql`
      select from embedding_listener where id = ${id} and ${silentMs === 0 ? sql`true` : isSilent(silentMs)}
      for update skip locked`.execute(transaction);
    if (rows.length === 0) return false;
    const { numAffectedRows = 0n } = await sql`
      update embedding_queue q set owner = null
      from (select source_id, key from embedding_queue where owner = ${id} for update skip locked) o
      where q.source_id = o.source_id and q.key = o.key`.execute(transaction);
    await sql`
      delete from embedding_listener l
      where l.id = ${id} and not exists (select from embedding_queue q where q.owner = l.id)`.execute(
      transaction,
    );
    if (numAffectedRows > 0n) await sql`select pg_notify('embedding_queue', '')`.execute(transaction);
    return numAffectedRows > 0n;
  });
}

/**
 * That a listener has not been seen for that long. Seen in the future means that the server's clock was set back: those
 * who live say so again within a second.
 */
export function isSilent(silentMs: number) {
  const silence = sql`${silentMs} * interval '1 millisecond'`;
  return sql<boolean>`seen_at not between now() - ${silence} and now() + ${silence}`;
}
