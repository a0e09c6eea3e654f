import { sql } from "kysely";
import { bytesParameter, numbersParameter } from "../database/array-parameter.ts";
import type { Database } from "../database/connect.ts";

export interface Reservation {
  /** sha256 of the text in hex. */
  readonly hash: string;
  /** Of the claimed row that it was made for. */
  readonly ticket: string;
}

/** Frees texts that a claim has reserved: they are embedded, or this process will not embed them. */
export async function dropReservations(
  db: Database,
  cacheModel: string,
  reservations: readonly Reservation[],
): Promise<void> {
  const hashes = bytesParameter(reservations.map(({ hash }) => hash));
  const tickets = numbersParameter(reservations.map(({ ticket }) => ticket));
  await sql`
    delete from autoembed.embedding_reservation r
    using unnest(${hashes}::bytea[], ${tickets}::bigint[]) as d(text_hash, ticket)
    where r.text_hash = d.text_hash and r.cache_model = ${cacheModel} and r.ticket = d.ticket`.execute(db);
}
