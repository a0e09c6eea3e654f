import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { isOpenByLookup, isOpenRow } from "./is-queued.ts";

/** Rows that one statement looks at: a listener that writes one of them waits no longer than for that statement. */
const PAGE = 1_000;

/**
 * Removes cached vectors that are older than so many days, and those that a row keeps too. A vector whose row is pending is
 * kept: it is what the row waits for. So is one that came from 0.1 until that many days after the upgrade: a backfill
 * learns from it which vectors are ours. A text that comes back later is embedded again.
 * @returns the number of vectors removed.
 */
export async function pruneCache(db: Database, olderThanDays: number): Promise<number> {
  return (await pruneOld(db, olderThanDays)) + (await pruneNeedless(db));
}

async function pruneOld(db: Database, days: number): Promise<number> {
  let removed = 0;
  for (;;) {
    const { numAffectedRows = 0n } = await sql`
      delete from autoembed.embedding_cache e using (
        select c.model, c.text_hash from autoembed.embedding_cache c
        where c.created_at <= now() - ${days} * interval '1 day' and not ${isOpenRow("c")}
          and (c.source_id is not null or exists (
            select from autoembed.migration m
            where m.filename = '000004-ledger.sql' and m.applied_at <= now() - ${days} * interval '1 day'))
        order by c.created_at limit ${PAGE} for update of c skip locked
      ) old
      where e.model = old.model and e.text_hash = old.text_hash`.execute(db);
    removed += Number(numAffectedRows);
    if (numAffectedRows < PAGE) return removed;
  }
}

/** Page by page in the order of the key: the cache of 0.1 is as large as its tables. */
async function pruneNeedless(db: Database): Promise<number> {
  let removed = 0;
  let after = { model: "", text_hash: "" };
  for (;;) {
    const { rows } = await sql<{ model: string; text_hash: string; removed: number }>`
      with page as materialized (
        select c.model, c.text_hash from autoembed.embedding_cache c
        where (c.model, c.text_hash) > (${after.model}, decode(${after.text_hash}, 'hex'))
        order by c.model, c.text_hash limit ${PAGE}
      ), needless as materialized (
        select c.model, c.text_hash from page p
        join autoembed.embedding_cache c on c.model = p.model and c.text_hash = p.text_hash
        where exists (
          select from autoembed.embedding_model m join autoembed.embedding_ledger l on l.model_id = m.id
          where m.name = p.model and l.text_hash = p.text_hash and l.vector_hash is not null
            and not ${isOpenByLookup("l")} offset 0)
        for update of c skip locked
      ), removed as (
        delete from autoembed.embedding_cache e using needless n
        where e.model = n.model and e.text_hash = n.text_hash returning 1
      ), last as (
        select p.model, p.text_hash from page p order by p.model desc, p.text_hash desc limit 1
      )
      select l.model, encode(l.text_hash, 'hex') as text_hash, (select count(*)::int from removed) as removed from last l`.execute(
      db,
    );
    const [page] = rows;
    if (page === undefined) return removed;
    removed += page.removed;
    after = { model: page.model, text_hash: page.text_hash };
  }
}
