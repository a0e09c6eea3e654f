import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";
import { isUnchanged, keyMatches, watchedRows } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";

/*
 * Deleting a row erases what was made from it, by its trigger. These look for what no trigger could see: a partition was
 * dropped, a key column renamed, a trigger disabled, or something was cached while the deleting transaction ran.
 * Nothing is removed where row-level security may hide the row.
 */

/** Removes the cached vectors of rows that are gone. The cache is small. */
export async function uncacheDeleted(db: Database, source: Source): Promise<void> {
  await sql`
    delete from autoembed.embedding_cache e using (
      select e.model, e.text_hash from autoembed.embedding_cache e
      where e.source_id = ${source.id} and ${isGone(source, "e")} for update of e skip locked
    ) gone
    where e.model = gone.model and e.text_hash = gone.text_hash`.execute(db);
}

/** Removes the entries in the ledger of rows that are gone. Reads all of the source's. */
export async function unrecordDeleted(db: Database, source: Source): Promise<void> {
  await sql`
    delete from autoembed.embedding_ledger l using (
      select l.source_id, l.key from autoembed.embedding_ledger l
      where l.source_id = ${source.id} and ${isGone(source, "l")} for update of l skip locked
    ) gone
    where l.source_id = gone.source_id and l.key = gone.key`.execute(db);
}

function isGone(source: Source, entry: string): RawBuilder<boolean> {
  return sql`not exists (select from ${watchedRows(source)} t where ${keyMatches(source, "t", entry)})
      and (select ${isUnchanged(source)})
      and (select not autoembed.hides_rows(s.watched_table) from autoembed.embedding_source s where s.id = ${source.id})`;
}
