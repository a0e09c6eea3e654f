import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { restoreFormats } from "../database/session-settings.ts";
import { isHeldRow, isUnchanged, keysOf, textHash, vectorTableOf } from "../sources/source-sql.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import { lockRowThenQueue, queuedRows } from "./held-rows.ts";
import { isOneOf, type TicketedRow } from "./is-one-of.ts";
import { isOpen } from "./row-state.ts";
import type { Chunk } from "../chunks/split-text.ts";

export interface Replaced {
  /** Chunks that are to be embedded. */
  readonly fresh: number;
  /** False where the table took the chunks and did not keep them as they are. */
  readonly written: boolean;
}

/**
 * Makes a row's chunks those of its text, if its text is still the text that was split: one statement, so that all of it
 * happens or nothing. Locks the user's row first, then the queue's, then the chunks, and waits for none of them. The
 * ticket leaves the queue with it, so that another listener that has split the same text changes nothing.
 *
 * A chunk whose text was there before keeps its row and its vector, whatever its number is now: nothing is queued for it,
 * and no index is touched while its page has room (`kept`). New texts (`fresh`) take the rows that are left over (`spare`),
 * whose vectors stay searchable until the new ones are there; then what is still left is inserted or deleted. The triggers
 * of the chunks' table queue what has to be embedded. For a text that was split into A B C and is now split into B A D:
 *
 *   A, B   kept, their numbers moved          C   spare, becomes D (changed)          a fourth text would be added
 *
 * A user's BEFORE trigger may drop or alter a write: the row stays in the queue unless every chunk is as it was written,
 * which `outcome` compares.
 * @param hash of the text that was split; null where it is null.
 * @returns undefined where nothing was done: one of the rows is locked, or the text has changed.
 */
export async function replaceChunks(
  db: Database,
  source: ChunkedSource,
  queued: TicketedRow,
  hash: Buffer | null,
  chunks: readonly Chunk[],
): Promise<Replaced | undefined> {
  const table = vectorTableOf(source);
  const keys = sql.join(source.key.map(({ name }) => sql.id(name)));
  const stored = sql`p.chunk, p.start_char, p.end_char, p.passage`;
  const { rows } = await sql<Replaced>`
    with held as materialized (
      select q.ticket, q.key as queue_key, ${keysOf(source, "t")}
      from ${queuedRows(source)}
      where q.source_id = ${source.id} and ${isOpen()} and ${isOneOf([queued])}
        and ${textHash("t")} is not distinct from ${hash}::bytea
        and ${isUnchanged(source)} and exists (
          select from autoembed.embedding_source s where s.id = ${source.id} and s.passages = ${JSON.stringify(source.chunkSettings)}::jsonb)
      ${lockRowThenQueue}
    ), locked as materialized (
      select p.passage_id, p.chunk, p.start_char, p.end_char, p.passage
      from ${table} p join held h on ${isHeldRow(source, "p", "h")} for update of p skip locked
    ), ready as materialized (
      select h.* from held h where (select count(*) from locked)
        = (select count(*) from ${table} p join held h on ${isHeldRow(source, "p", "h")})
        and ${restoreFormats("held")}
    ), old as materialized (
      select l.*, row_number() over (partition by passage order by chunk, passage_id) as copy
      from locked l where exists (select from ready)
    ), new as materialized (
      select n.*, row_number() over (partition by passage order by chunk) as copy
      from unnest(${chunks.map(({ start }) => start)}::int[], ${chunks.map(({ end }) => end)}::int[],
        ${chunks.map(({ text }) => text)}::text[]) with ordinality as n(start_char, end_char, passage, chunk)
      where exists (select from ready)
    ), kept as materialized (
      select o.passage_id, n.chunk, n.start_char, n.end_char,
        n.passage, (o.chunk, o.start_char, o.end_char) is distinct from (n.chunk, n.start_char, n.end_char) as moved
      from old o join new n on n.passage = o.passage and n.copy = o.copy
    ), spare as materialized (
      select o.passage_id, row_number() over (order by o.chunk, o.passage_id) as position
      from old o where o.passage_id <> all(array(select k.passage_id from kept k))
    ), fresh as materialized (
      select n.*, row_number() over (order by n.chunk) as position
      from new n where n.chunk <> all(array(select k.chunk from kept k))
    ), moved as (
      update ${table} p set chunk = k.chunk, start_char = k.start_char, end_char = k.end_char
      from kept k where p.passage_id = k.passage_id and k.moved
      returning ${stored}
    ), changed as (
      update ${table} p set chunk = f.chunk, start_char = f.start_char, end_char = f.end_char, passage = f.passage
      from spare s join fresh f on f.position = s.position where p.passage_id = s.passage_id
      returning ${stored}
    ), added as (
      insert into ${table} as p (${keys}, chunk, start_char, end_char, passage)
      select ${keysOf(source, "r")}, f.chunk, f.start_char, f.end_char, f.passage
      from ready r cross join fresh f where f.position > (select count(*) from spare) order by f.chunk
      returning ${stored}
    ), removed as (
      delete from ${table} p using spare s
      where p.passage_id = s.passage_id and s.position > (select count(*) from fresh) returning s.position
    ), outcome as materialized (
      select (select count(*)::int from fresh) as fresh, not exists (
        (select chunk, start_char, end_char, passage from kept where moved
          union all select chunk, start_char, end_char, passage from fresh)
        except all (select * from moved union all select * from changed union all select * from added)
      ) and (select count(*) from removed) = greatest(0, (select count(*) from spare) - (select count(*) from fresh)) as written
    ), dequeued as (
      delete from autoembed.embedding_queue q using ready r, outcome o
      where q.source_id = ${source.id} and ${isOpen()} and q.ticket = r.ticket and q.key = r.queue_key
        and o.written
    )
    select o.fresh, o.written from outcome o where exists (select from ready)`.execute(db);
  return rows[0];
}
