import { sql } from "kysely";
import type { Database } from "../database/connect.ts";

/**
 * Frees what listener `id` has claimed and reserved, and deregisters it when nothing of it is left.
 * @param silentMs frees nothing unless the listener has been silent that long, by the server's clock.
 */
export async function freeClaims(db: Database, id: number, silentMs = 0): Promise<void> {
  await sql`select autoembed.free_claims(${id}::int, ${silentMs} * interval '1 millisecond')`.execute(db);
}
