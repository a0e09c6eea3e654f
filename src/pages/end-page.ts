import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { endBackfill } from "./backfills.ts";

export interface EndedPage {
  readonly id: string;
  readonly sourceId: number;
  /** embedding_listener.id that it was taken under. */
  readonly owner: number;
  /** Rows that were embedded, emptied or failed. */
  readonly done: number;
  /** Null where no row is left; else how long the page is left alone before the others are tried again. */
  readonly againInMs: number | null;
}

/** Ends a page, or gives it back. Nothing happens to a page that another listener has taken over. */
export async function endPage(db: Database, page: EndedPage): Promise<void> {
  const { id, sourceId, owner, done, againInMs } = page;
  const isOwn = sql`p.id = ${id}::bigint and p.owner = ${owner}`;
  const ended =
    againInMs === null
      ? sql`delete from autoembed.embedding_page p where ${isOwn} returning p.source_id`
      : sql`update autoembed.embedding_page p set owner = null, attempts = p.attempts + 1,
          not_before = now() + ${againInMs} * interval '1 millisecond'
        where ${isOwn} returning p.source_id`;
  await sql`
    with ended as (${ended})
    update autoembed.embedding_backfill b set done = b.done + ${done} from ended e where b.source_id = e.source_id`.execute(
    db,
  );
  if (againInMs === null) await endBackfill(db, sourceId);
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
