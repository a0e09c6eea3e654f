import { sql } from "kysely";
import type { Database } from "../database/connect.ts";

export interface Reservation {
  readonly hash: Buffer;
  /** Of the row that was claimed for it. */
  readonly ticket: string;
}

/** Gives texts that a claim has reserved free again: they are embedded, or are not going to be. */
export async function dropReservations(
  db: Database,
  cacheModel: string,
  reservations: readonly Reservation[],
): Promise<void> {
  await sql`
    delete from embedding_reservation r
    using unnest(${reservations.map(({ hash }) => hash)}::bytea[], ${reservations.map(({ ticket }) => ticket)}::bigint[]) as d(text_hash, ticket)
    where r.text_hash = d.text_hash and r.cache_model = ${cacheModel} and r.ticket = d.ticket`.execute(db);
}
