import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { isUnchanged } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import { endBackfill } from "./backfills.ts";

export interface EndedPage {
  readonly id: string;
  /** embedding_listener.id that it was taken under. */
  readonly owner: number;
  /** Rows that were embedded, emptied or failed. */
  readonly done: number;
  /** Null where no row is left; else how long the page is left alone before the others are tried again. */
  readonly againInMs: number | null;
}

/**
 * Ends a page, or gives it back. Nothing happens to a page that another listener has taken over. One that was read for a
 * source that has changed since, or by a listener that is not registered, is given back: nothing may have been found in it.
 */
export async function endPage(db: Database, source: Source, page: EndedPage): Promise<void> {
  const { id, owner, done, againInMs } = page;
  const isOwn = sql`p.id = ${id}::bigint and p.owner = ${owner} and exists (select from locked)`;
  // First the backfill, then the page: in this order a backfill is deleted, too.
  await sql`
    with locked as materialized (
      select b.source_id from autoembed.embedding_backfill b where b.source_id = ${source.id} for no key update
    ), finished as materialized (
      select ${againInMs}::int is null and ${isUnchanged(source)}
        and exists (select from autoembed.embedding_listener l where l.id = ${owner}) as is_finished
    ), ended as (
      delete from autoembed.embedding_page p where ${isOwn} and (select f.is_finished from finished f) returning p.id
    ), given_back as (
      update autoembed.embedding_page p set owner = null, attempts = p.attempts + 1,
        not_before = now() + ${againInMs ?? 0} * interval '1 millisecond'
      where ${isOwn} and not (select f.is_finished from finished f) returning p.id
    )
    update autoembed.embedding_backfill b set done = b.done + ${done}
    where b.source_id = ${source.id} and exists (select from ended union all select from given_back)`.execute(
    db,
  );
  if (againInMs === null) await endBackfill(db, source.id);
}

/** Frees pages whose owner is not registered: its row was deleted by hand, or while the server crashed. @returns how many. */
export async function freeOrphanPages(db: Database): Promise<number> {
  const { numAffectedRows } = await sql`
    update autoembed.embedding_page p set owner = null where p.id = any(array(
      select o.id from autoembed.embedding_page o
      where o.owner is not null and not exists (select from autoembed.embedding_listener l where l.id = o.owner)
      for update skip locked))`.execute(db);
  return Number(numAffectedRows ?? 0n);
}
