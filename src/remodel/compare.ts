import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { queueKey, rowsWithVectors } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";

export interface Comparison {
  /** Rows that were looked at. */
  readonly rows: number;
  /** Of the ten nearest by the old model, the share that is among the ten nearest by the new; null without rows. */
  readonly overlap: number | null;
}

const SAMPLED_ROWS = 20;
const NEIGHBOURS = 10;

/** Takes rows as queries and holds the new model's nearest rows against the old one's. */
export async function compareModels(db: Database, before: Source, after: Source): Promise<Comparison> {
  const { rows } = await sql<Comparison>`
    with query as materialized (
      select ${queueKey(before, "b")} as key, b.vector as before, a.vector as after
      from ${rowsWithVectors(before)} b
      join ${rowsWithVectors(after)} a on ${queueKey(before, "b")} = ${queueKey(after, "a")}
      where b.vector is not null and a.vector is not null
      order by sha256(convert_to(${queueKey(before, "b")}, 'UTF8')) limit ${SAMPLED_ROWS}
    ), nearest as materialized (
      select array(select ${queueKey(before, "t")} from ${rowsWithVectors(before)} t
          where t.vector is not null order by t.vector <=> q.before limit ${NEIGHBOURS}) as old,
        array(select ${queueKey(after, "t")} from ${rowsWithVectors(after)} t
          where t.vector is not null order by t.vector <=> q.after limit ${NEIGHBOURS}) as new
      from query q
    )
    select count(*)::int as rows,
      sum(cardinality(array(select unnest(old) intersect select unnest(new))))::float8 / sum(cardinality(old)) as overlap
    from nearest`.execute(db);
  return rows[0] ?? { rows: 0, overlap: null };
}
