import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { isOpenRow } from "./is-queued.ts";

/** Rows that one statement removes: a listener that writes one of them waits no longer than for that statement. */
const PAGE = 1_000;

/**
 * Removes cached vectors that are older than so many days, and those that a row has too. A vector whose row is pending is
 * kept: it is what the row waits for. A text that comes back later is embedded again.
 * @returns the number of vectors removed.
 */
export async function pruneCache(db: Database, olderThanDays: number): Promise<number> {
  let removed = 0;
  for (;;) {
    const { numAffectedRows = 0n } = await sql`
      delete from autoembed.embedding_cache e using (
        select c.model, c.text_hash from autoembed.embedding_cache c
        where (c.created_at <= now() - ${olderThanDays} * interval '1 day' and not ${isOpenRow("c")})
          or exists (
            select from autoembed.embedding_ledger l join autoembed.embedding_model m on m.id = l.model_id
            where l.text_hash = c.text_hash and l.vector_hash is not null and m.name = c.model)
        order by c.text_hash limit ${PAGE} for update of c skip locked
      ) unused
      where e.model = unused.model and e.text_hash = unused.text_hash`.execute(db);
    removed += Number(numAffectedRows);
    if (numAffectedRows < PAGE) return removed;
  }
}
