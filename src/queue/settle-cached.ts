import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import type { Source } from "../sources/source.ts";
import {
  isHeldRow,
  keyMatches,
  keysOf,
  tableOf,
  textHash,
  vectorType,
  watchedRows,
  writesToItsColumn,
} from "../sources/source-sql.ts";

/**
 * Gives rows the cached vectors of their texts, inside Postgres: no vector passes through Node. Guarded and locked as
 * `writeBack` is.
 * @returns the tickets that are done.
 */
export async function settleCached(
  db: Database,
  source: Source,
  rows: readonly { readonly ticket: string; readonly hash: Buffer }[],
  cacheModel: string,
): Promise<string[]> {
  const tickets = rows.map((row) => row.ticket);
  const result = await sql<{ ticket: string }>`
    with held as materialized (
      select q.ticket, i.text_hash, ${keysOf(source, "t")}
      from unnest(${tickets}::bigint[], ${rows.map((row) => row.hash)}::bytea[]) as i(ticket, text_hash)
      join embedding_queue q on q.source_id = ${source.id} and q.failed_at is null
        and q.ticket = any(${tickets}::bigint[]) and q.ticket = i.ticket
      join ${watchedRows(source)} t on ${keyMatches(source, "t", "q")}
      where ${textHash("t")} = i.text_hash
        and exists (select from embedding_cache e where e.model = ${cacheModel} and e.text_hash = i.text_hash)
        and ${writesToItsColumn(source)}
      for no key update of t skip locked for update of q skip locked
    ), dequeued as (
      delete from embedding_queue q
      where q.source_id = ${source.id} and q.failed_at is null and q.ticket = any(array(select h.ticket from held h))
    )
    update ${tableOf(source)} w set ${sql.id(source.vectorColumn)} = e.embedding::${vectorType(source)}
    from held h join embedding_cache e on e.model = ${cacheModel} and e.text_hash = h.text_hash
    where ${isHeldRow(source, "w", "h")}
    returning h.ticket`.execute(db);
  return result.rows.map((row) => row.ticket);
}
