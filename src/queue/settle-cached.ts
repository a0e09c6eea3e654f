import { sql } from "kysely";
import { numbersParameter } from "../database/array-parameter.ts";
import type { Database } from "../database/connect.ts";
import type { Source } from "../sources/source.ts";
import { perSource } from "./statement.ts";
import { store, writable, type Outcome } from "./store.ts";
import { keyMatches, keysOf, textHash, vectorType, watchedRows, isUnchanged } from "../sources/source-sql.ts";

/**
 * Gives rows the cached vectors of their texts as they stand, inside Postgres: no vector passes through Node. Rows
 * whose text is not in the cache stay claimed. Locked as `writeBack` is.
 *
 * The cache is looked into by key, one row at a time: joined, it may be read whole, vectors and all, for a batch.
 * @returns the rows that were not held by anybody else, and whose text is in the cache.
 */
export async function settleCached(
  db: Database,
  source: Source,
  tickets: readonly string[],
  cacheModel: string,
): Promise<Outcome[]> {
  return await statement(db, source, [numbersParameter(tickets), cacheModel]);
}

const statement = perSource<Outcome>((source) => {
  const cte = writable(source);
  const cached = sql`(select e.embedding::${vectorType(source)} from embedding_cache e
      where e.model = $2 and e.text_hash = h.text_hash)`;
  return sql`
    with held as materialized (
      select q.ticket, ${textHash("t")} as text_hash, ${keysOf(source, "t")}
      from embedding_queue q join ${watchedRows(source)} t on ${keyMatches(source, "t", "q")}
      where q.source_id = ${sql.lit(source.id)} and q.failed_at is null and q.ticket = any($1::bigint[])
        and exists (select from embedding_cache e where e.model = $2 and e.text_hash = ${textHash("t")} offset 0)
        and ${isUnchanged(source)}
      for no key update of t skip locked for update of q skip locked
    )${cte}${store(source, cached)}`;
});
