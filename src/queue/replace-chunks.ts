import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { restoreFormats } from "../database/session-settings.ts";
import {
  isHeldRow,
  isUnchanged,
  keyMatches,
  keysOf,
  textHash,
  vectorTableOf,
  watchedRows,
} from "../sources/source-sql.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import type { Chunk } from "../chunks/split-text.ts";

export interface Replaced {
  /** Passages that are to be embedded. */
  readonly fresh: number;
  /** False where the table took the passages and did not keep them as they are. */
  readonly done: boolean;
}

/**
 * Makes a row's passages those of its text, where its text is still the text that was cut: one statement, so that all of
 * it happens or nothing. Takes the user's row first, then the queue's, then the passages, and waits for none of them.
 * The ticket is gone with it, so whoever cut the same text changes nothing.
 *
 * A passage whose text was there before keeps its row and its vector, whatever its number is now: nothing is queued for
 * it, and no index is touched while its page has room. Others take the rows that are left over, whose vectors stay
 * searchable until the new ones are there; what is left then is inserted or deleted. The triggers of the passages'
 * table queue what has to be embedded.
 *
 * A BEFORE trigger of the user's may swallow a write, or make another of it: the text keeps its place in the queue unless
 * every passage is as it was written.
 * @param hash of the text that was cut; null where it is null.
 * @returns undefined where nothing was done: somebody holds one of the rows, or the text has changed.
 */
export async function replaceChunks(
  db: Database,
  source: ChunkedSource,
  ticket: string,
  hash: Buffer | null,
  passages: readonly Chunk[],
): Promise<Replaced | undefined> {
  const table = vectorTableOf(source);
  const keys = sql.join(source.key.map(({ name }) => sql.id(name)));
  const stored = sql`p.chunk, p.start_char, p.end_char, p.passage`;
  const { rows } = await sql<Replaced>`
    with held as materialized (
      select q.ticket, ${keysOf(source, "t")}
      from autoembed.embedding_queue q join ${watchedRows(source)} t on ${keyMatches(source, "t", "q")}
      where q.source_id = ${source.id} and q.failed_at is null and q.ticket = ${ticket}::bigint
        and ${textHash("t")} is not distinct from ${hash}::bytea
        and ${isUnchanged(source)} and exists (
          select from autoembed.embedding_source s where s.id = ${source.id} and s.passages = ${JSON.stringify(source.passages)}::jsonb)
      for no key update of t skip locked for update of q skip locked
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
      from unnest(${passages.map(({ start }) => start)}::int[], ${passages.map(({ end }) => end)}::int[],
        ${passages.map(({ text }) => text)}::text[]) with ordinality as n(start_char, end_char, passage, chunk)
      where exists (select from ready)
    ), kept as materialized (
      select o.passage_id, n.chunk, n.start_char, n.end_char,
        n.passage, (o.chunk, o.start_char, o.end_char) is distinct from (n.chunk, n.start_char, n.end_char) as moved
      from old o join new n on n.passage = o.passage and n.copy = o.copy
    ), spare as materialized (
      select o.passage_id, row_number() over (order by o.chunk, o.passage_id) as place
      from old o where o.passage_id <> all(array(select k.passage_id from kept k))
    ), fresh as materialized (
      select n.*, row_number() over (order by n.chunk) as place
      from new n where n.chunk <> all(array(select k.chunk from kept k))
    ), moved as (
      update ${table} p set chunk = k.chunk, start_char = k.start_char, end_char = k.end_char
      from kept k where p.passage_id = k.passage_id and k.moved
      returning ${stored}
    ), changed as (
      update ${table} p set chunk = f.chunk, start_char = f.start_char, end_char = f.end_char, passage = f.passage
      from spare s join fresh f on f.place = s.place where p.passage_id = s.passage_id
      returning ${stored}
    ), added as (
      insert into ${table} as p (${keys}, chunk, start_char, end_char, passage)
      select ${keysOf(source, "r")}, f.chunk, f.start_char, f.end_char, f.passage
      from ready r cross join fresh f where f.place > (select count(*) from spare) order by f.chunk
      returning ${stored}
    ), removed as (
      delete from ${table} p using spare s
      where p.passage_id = s.passage_id and s.place > (select count(*) from fresh) returning s.place
    ), outcome as materialized (
      select (select count(*)::int from fresh) as fresh, not exists (
        (select chunk, start_char, end_char, passage from kept where moved
          union all select chunk, start_char, end_char, passage from fresh)
        except all (select * from moved union all select * from changed union all select * from added)
      ) and (select count(*) from removed) = greatest(0, (select count(*) from spare) - (select count(*) from fresh)) as done
    ), dequeued as (
      delete from autoembed.embedding_queue q using ready r, outcome o
      where q.source_id = ${source.id} and q.failed_at is null and q.ticket = r.ticket and o.done
    )
    select o.fresh, o.done from outcome o where exists (select from ready)`.execute(db);
  return rows[0];
}
