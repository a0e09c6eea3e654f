import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { hasText, textHash, watchedRows } from "../sources/source-sql.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import type { Source } from "../sources/source.ts";

/** Rows that one statement removes: a listener that writes one of them waits no longer than for that statement. */
const PAGE = 1_000;

/**
 * Removes cached vectors whose text no row of the sources has. A text that comes back later is embedded again. Vectors
 * that are cached while the texts are being read are kept.
 * @param db a pool of one connection, which keeps the texts' hashes in a temporary table.
 * @param olderThanDays keeps vectors that were cached within so many days.
 * @returns the number of vectors removed.
 */
export async function pruneCache(
  db: Database,
  sources: readonly Source[],
  olderThanDays: number,
): Promise<number> {
  await sql`create temp table if not exists live_texts (text_hash bytea primary key)`.execute(db);
  await sql`truncate pg_temp.live_texts`.execute(db);
  const begun = await sql<{ at: string }>`select now()::text as at`.execute(db);
  const at = begun.rows[0]?.at;
  if (at === undefined) throw new Error("the server returned no time");
  for (const source of sources) {
    await withPerRowFallback(source, (source) =>
      sql`
        insert into pg_temp.live_texts select ${textHash("t")} from ${watchedRows(source)} t where ${hasText("t")}
        on conflict do nothing`.execute(db),
    );
  }
  let removed = 0;
  for (;;) {
    const { numAffectedRows = 0n } = await sql`
      delete from autoembed.embedding_cache e using (
        select c.model, c.text_hash from autoembed.embedding_cache c
        where c.created_at <= ${at}::timestamptz - ${olderThanDays} * interval '1 day'
          and not exists (select from pg_temp.live_texts l where l.text_hash = c.text_hash)
        order by c.text_hash limit ${PAGE} for update skip locked
      ) unused
      where e.model = unused.model and e.text_hash = unused.text_hash`.execute(db);
    removed += Number(numAffectedRows);
    if (numAffectedRows < PAGE) break;
  }
  await sql`drop table pg_temp.live_texts`.execute(db);
  return removed;
}
