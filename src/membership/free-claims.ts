import { sql } from "kysely";
import type { Database } from "../database/connect.ts";

/**
 * Frees whatever listener `id` has claimed, and strikes it off the list once nothing of it is left.
 * @param silentMs frees nothing unless the listener has been silent that long, by the server's clock.
 */
export async function freeClaims(db: Database, id: number, silentMs = 0): Promise<void> {
  await sql`select autoembed.free_claims(${id}::int, ${silentMs} * interval '1 millisecond')`.execute(db);
}

/** That a listener has been silent for that long, or was seen in the future: the server's clock was set back. */
export function isSilent(silentMs: number) {
  const silence = sql`${silentMs} * interval '1 millisecond'`;
  return sql<boolean>`seen_at not between now() - ${silence} and now() + ${silence}`;
}
