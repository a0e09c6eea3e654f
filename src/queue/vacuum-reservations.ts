import { sql } from "kysely";
import type { Database } from "../database/connect.ts";

/**
 * Frees the space of dropped reservations for the next ones, if this role may. A backfill drops thousands a second, and
 * Postgres's own vacuum comes once a minute.
 */
export async function vacuumReservations(db: Database): Promise<void> {
  const { rows } = await sql<{ mayVacuum: boolean }>`
    select pg_has_role(relowner, 'usage') as "mayVacuum" from pg_class
    where oid = 'autoembed.embedding_reservation'::regclass`.execute(db);
  if (rows[0]?.mayVacuum === true)
    await sql`vacuum (skip_locked, truncate false) autoembed.embedding_reservation`.execute(db);
}
