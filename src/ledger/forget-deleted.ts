import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";
import { isUnchanged, keyMatches, watchedRows } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import { identityOf, isSameEntry } from "./ledger-sql.ts";

/*
 * Deleting a row erases what was made from it, by its trigger. These look for what no trigger could see: a partition was
 * dropped, a key column renamed, a trigger disabled, or something was cached while the deleting transaction ran.
 * Nothing is removed where row-level security may hide the row.
 */

/** Removes the cached vectors of rows that are gone. The cache is small. */
export async function uncacheDeleted(db: Database, source: Source): Promise<void> {
  await sql`
    with gone as materialized (
      select e.model, e.text_hash, e.key from autoembed.embedding_cache e
      where e.source_id = ${source.id} and ${isGone(source, "e")}
    ), unlocked as materialized (
      select e.model, e.text_hash from autoembed.embedding_cache e
      join gone g on g.model = e.model and g.text_hash = e.text_hash and g.key = e.key
      where e.source_id = ${source.id} for update of e skip locked
    )
    delete from autoembed.embedding_cache e using unlocked u
    where e.model = u.model and e.text_hash = u.text_hash`.execute(db);
}

/** Whether the cache has anything that a deleted row may have left. */
export async function isAnythingCached(db: Database): Promise<boolean> {
  const { rows } = await sql`select from autoembed.embedding_cache limit 1`.execute(db);
  return rows.length > 0;
}

/** Removes the entries in the ledger of rows that are gone. Reads all of the source's. */
export async function unrecordDeleted(db: Database, source: Source): Promise<void> {
  await sql`
    with gone as materialized (
      select l.key, ${identityOf("l")} from autoembed.embedding_ledger l
      where l.source_id = ${source.id} and ${isGone(source, "l")}
    ), unlocked as materialized (
      select l.key from autoembed.embedding_ledger l join gone g on g.key = l.key and ${isSameEntry("l", "g")}
      where l.source_id = ${source.id} for update of l skip locked
    )
    delete from autoembed.embedding_ledger l using unlocked u
    where l.source_id = ${source.id} and l.key = u.key`.execute(db);
}

/**
 * In the statement's snapshot. What was written since then, as the entry is locked, may be of a row that was inserted
 * since then: so an entry is removed only if it is the one that the snapshot had.
 */
function isGone(source: Source, entry: string): RawBuilder<boolean> {
  return sql`not exists (select from ${watchedRows(source)} t where ${keyMatches(source, "t", entry)})
      and (select ${isUnchanged(source)})
      and (select not autoembed.hides_rows(s.watched_table) from autoembed.embedding_source s where s.id = ${source.id})`;
}
