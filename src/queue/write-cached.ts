import { sql } from "kysely";
import { numbersParameter, ctidsParameter } from "../database/array-parameter.ts";
import type { Database } from "../database/connect.ts";
import type { Source } from "../sources/source.ts";
import { preparedPerSource } from "./prepared-per-source.ts";
import { restorePlannerSettings } from "../database/kept-plan.ts";
import { claimedRows, lockRowThenQueue } from "./held-rows.ts";
import { writeVectorCtes, writableCte, type Outcome } from "./vector-ctes.ts";
import { isUnchanged, keysOf, textHash, vectorType } from "../sources/source-sql.ts";

/**
 * Writes the cached vectors of the rows' current texts, inside Postgres: no vector passes through Node. Rows whose text is
 * not in the cache stay claimed. Locks as `writeBack` does.
 *
 * The cache is read by key, one row at a time: joined, it may be read whole, vectors included, for one batch.
 * @returns the rows that were not locked and whose text is in the cache.
 */
export async function writeCached(
  db: Database,
  source: Source,
  tickets: readonly string[],
  ctids: readonly string[],
  cacheModel: string,
): Promise<Outcome[]> {
  return await statement(db, source, [numbersParameter(tickets), ctidsParameter(ctids), cacheModel]);
}

const statement = preparedPerSource<Outcome>((source) => {
  const cte = writableCte(source);
  const cached = sql`(select e.embedding::${vectorType(source)} from autoembed.embedding_cache e
      where e.model = $3 and e.text_hash = h.text_hash)`;
  return sql`
    with held as materialized (
      select q.ticket, q.ctid, ${textHash("t")} as text_hash, ${keysOf(source, "t")}
      from ${claimedRows(source, sql`unnest($1::bigint[], $2::tid[]) as c(ticket, ctid)`)}
      where exists (select from autoembed.embedding_cache e where e.model = $3 and e.text_hash = ${textHash("t")} offset 0)
        and ${isUnchanged(source)} and ${restorePlannerSettings}
      ${lockRowThenQueue}
    )${cte}${writeVectorCtes(source, cached)}`;
});
