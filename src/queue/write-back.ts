import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import type { VectorArray } from "../database/vector-array.ts";
import type { Source } from "../sources/source.ts";
import {
  isHeldRow,
  keyMatches,
  keysOf,
  tableOf,
  textHash,
  vectorType,
  watchedRows,
} from "../sources/source-sql.ts";

export interface WriteBack {
  readonly tickets: readonly string[];
  /** For each ticket, which of `hashes` and `vectors` is its own, from 0: equal texts share one. */
  readonly positions: readonly number[];
  readonly hashes: readonly Buffer[];
  readonly vectors: VectorArray;
  readonly cacheModel: string;
  /** `'vector'::regtype::oid` */
  readonly vectorOid: number;
}

/**
 * Caches the vectors, and gives each row its own where the row's text is still the text that was embedded: one
 * statement, so that all of it happens or nothing. Takes the user's row first, then the queue's, and waits for
 * neither: a row that somebody holds keeps its place in the queue, and its vector is a cache hit next time.
 *
 * The vectors stay out of the joins and are indexed in the parameter: 66 us a row against 141. Cache rows go in by
 * hash order, so that two listeners with the same texts cannot deadlock.
 * `ticket = any(..)` beside each join keeps the plan right on a queue that nobody has analyzed yet (1.6 ms a row without).
 * @returns the tickets that are done.
 */
export async function writeBack(db: Database, source: Source, batch: WriteBack): Promise<string[]> {
  // Bound once, read by an init plan: the statement must not carry its megabyte twice.
  const vectors = sql`(select v.vectors from v)`;
  const { rows } = await sql<{ ticket: string }>`
    with v as materialized (
      select ${batch.vectors.toParameter(batch.vectorOid)}::vector[] as vectors
    ), hash as materialized (
      select h.text_hash, h.position from unnest(${batch.hashes}::bytea[]) with ordinality as h(text_hash, position)
    ), cached as (
      insert into embedding_cache (model, text_hash, embedding)
      select ${batch.cacheModel}, h.text_hash, (${vectors})[h.position] from hash h order by h.text_hash
      on conflict (model, text_hash) do nothing
    ), held as materialized (
      select q.ticket, i.position + 1 as position, ${keysOf(source, "t")}
      from unnest(${batch.tickets}::bigint[], ${batch.positions}::int[]) as i(ticket, position)
      join hash h on h.position = i.position + 1
      join embedding_queue q on q.source_id = ${source.id} and q.failed_at is null
        and q.ticket = any(${batch.tickets}::bigint[]) and q.ticket = i.ticket
      join ${watchedRows(source)} t on ${keyMatches(source, "t", "q")}
      where ${textHash("t")} = h.text_hash
      for no key update of t skip locked for update of q skip locked
    ), dequeued as (
      delete from embedding_queue q using held h
      where q.source_id = ${source.id} and q.failed_at is null
        and q.ticket = any(${batch.tickets}::bigint[]) and q.ticket = h.ticket
    )
    update ${tableOf(source)} w set ${sql.id(source.vectorColumn)} = (${vectors})[h.position]::${vectorType(source)}
    from held h where ${isHeldRow(source, "w", "h")}
    returning h.ticket`.execute(db);
  return rows.map((row) => row.ticket);
}
