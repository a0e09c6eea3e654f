import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";
import { comparedDistance } from "../search/comparable.ts";
import { FULL } from "../search/index-kind.ts";
import { keyMatches, queueKey, rowsWithVectors } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";

export interface Comparison {
  /** Rows that were sampled. */
  readonly rows: number;
  /**
   * recall@10 of the new model against the old: of the ten rows that the old model finds nearest to a row, the share that
   * the new model finds as near as its own ten. The row itself is left out. Null if there are fewer than two rows.
   */
  readonly recall: number | null;
}

const SAMPLED_ROWS = 20;
const NEIGHBOURS = 10;
/** Candidates per index search: enough that the comparison is between the models and not between their indexes. */
const CANDIDATES = "400";

/**
 * Uses rows as queries and checks where the new model puts the old model's ten nearest rows. Rows with equal texts are
 * equally near; so a row counts by its no matter which of the equal rows is among the ten.
 */
export async function compareModels(db: Database, before: Source, after: Source): Promise<Comparison> {
  return await db.transaction().execute(async (transaction) => {
    await sql`select set_config('hnsw.ef_search', ${CANDIDATES}, true)`.execute(transaction);
    const { rows } = await sql<Comparison>`
      with query as materialized (
        select ${queueKey(before, "b")} as key, b.vector as before, a.vector as after
        from ${rowsWithVectors(before)} b
        join ${rowsWithVectors(after)} a on ${queueKey(before, "b")} = ${queueKey(after, "a")}
        where b.vector is not null and a.vector is not null
        order by sha256(convert_to(${queueKey(before, "b")}, 'UTF8')) limit ${SAMPLED_ROWS}
      ), nearest as materialized (
        select q.key, q.after, array(select n.key from (${nearest(before, sql`q.before`)}) n) as old,
          (select max(n.distance) from (${nearest(after, sql`q.after`)}) n) as reach
        from query q
      ), compared as (
        select n.key, count(*) as old,
          count(*) filter (where ${comparedDistance(after, FULL, sql`a.vector`, sql`n.after`)} <= n.reach) as new
        from nearest n cross join unnest(n.old) as o(key) left join ${rowsWithVectors(after)} a on ${keyMatches(after, "a", "o")}
        group by n.key
      )
      select (select count(*)::int from query) as rows, sum(new)::float8 / sum(old)::float8 as recall from compared`.execute(
      transaction,
    );
    return rows[0] ?? { rows: 0, recall: null };
  });
}

/** The keys and distances of the rows nearest to the query row `q`, without `q` itself. */
function nearest(source: Source, vector: RawBuilder<unknown>): RawBuilder<unknown> {
  const order = comparedDistance(source, FULL, sql`t.vector`, vector);
  return sql`select ${queueKey(source, "t")} as key, ${order} as distance from ${rowsWithVectors(source)} t
    where t.vector is not null and ${queueKey(source, "t")} <> q.key order by ${order} limit ${NEIGHBOURS}`;
}
