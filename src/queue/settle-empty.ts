import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import type { Source } from "../sources/source.ts";
import { clearVectorCtes, type Outcome } from "./vector-ctes.ts";
import { hasText, keyMatches, keysOf, watchedRows, isUnchanged } from "../sources/source-sql.ts";

/** Takes the vector from rows whose text is null or blank. @returns the rows that were not held by anybody else. */
export async function clearVector(
  db: Database,
  source: Source,
  tickets: readonly string[],
): Promise<Outcome[]> {
  const { rows } = await sql<Outcome>`
    with held as materialized (
      select q.ticket, q.ctid as place, t.place as row_place, ${keysOf(source, "t")}
      from autoembed.embedding_queue q
      join ${watchedRows(source)} t on ${keyMatches(source, "t", "q")}
      where q.source_id = ${source.id} and q.ticket = any(${tickets}::bigint[]) and q.failed_at is null and not ${hasText("t")}
        and ${isUnchanged(source)}
      for no key update of t skip locked for update of q skip locked
    )${clearVectorCtes(source)}`.execute(db);
  return rows;
}

/**
 * Drops queue rows whose row is gone, without waiting for whoever may be bringing it back; none where row-level
 * security may be what hides it. @returns those that are dropped.
 */
export async function dropDeleted(
  db: Database,
  source: Source,
  tickets: readonly string[],
): Promise<Outcome[]> {
  const { rows } = await sql<Outcome>`
    with held as materialized (
      select q.ticket from autoembed.embedding_queue q
      where q.source_id = ${source.id} and q.ticket = any(${tickets}::bigint[]) and q.failed_at is null
        and not exists (select from ${watchedRows(source)} t where ${keyMatches(source, "t", "q")})
        and ${isUnchanged(source)}
        and (select not autoembed.hides_rows(s.watched_table) from autoembed.embedding_source s where s.id = ${source.id})
      for update of q skip locked
    )
    delete from autoembed.embedding_queue q using held h
    where q.source_id = ${source.id} and q.failed_at is null
        and q.ticket = any(${tickets}::bigint[]) and q.ticket = h.ticket
    returning q.ticket, true as done`.execute(db);
  return rows;
}
