import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { compared } from "../search/comparable.ts";
import { CANDIDATES, RRF, type HybridOptions } from "../search/hybrid.ts";
import { tuneSearch } from "../search/tune-search.ts";
import { queueKey, vectorType } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import { passagesWithVectors, type PassageNeighbour } from "./nearest-passages.ts";
import type { Splitter } from "./splitter.ts";

export interface HybridPassageNeighbour extends PassageNeighbour {
  /** Reciprocal rank fusion of its best passage. */
  readonly score: number;
}

/** Passages of each kind that are ranked for each row that is wanted. */
const PASSAGES_A_ROW = 10;

/** `hybrid`, over passages: each row once, by the passage that is best by meaning and words together. */
export async function hybridPassages(
  db: Database,
  splitter: Splitter,
  source: Source,
  vector: Float32Array,
  { query, language, limit, withText, where }: HybridOptions,
): Promise<HybridPassageNeighbour[]> {
  const near = sql`${`[${vector.join(",")}]`}::${vectorType(source)}`;
  const words = sql`to_tsvector(${sql.lit(language)}::regconfig, t.content)`;
  const asked = sql`websearch_to_tsquery(${sql.lit(language)}::regconfig, ${query})`;
  const candidates = Math.max(CANDIDATES, PASSAGES_A_ROW * limit);
  const passages = passagesWithVectors(splitter, source, where);
  return await db.transaction().execute(async (transaction) => {
    await tuneSearch(transaction, candidates, where !== undefined);
    const { rows } = await sql<HybridPassageNeighbour>`
      with by_meaning as materialized (
        select t.*, t.vector <=> ${near} as distance from ${passages} t where t.vector is not null
        order by ${compared(source, sql`t.vector`)} <=> ${compared(source, near)} limit ${candidates}
      ), by_words as materialized (
        select t.*, t.vector <=> ${near} as distance, ts_rank_cd(${words}, ${asked}) as rank
        from ${passages} t where t.vector is not null and ${words} @@ ${asked}
        order by rank desc limit ${candidates}
      ), ranked as (
        select ${queueKey(splitter, "m")} as key, chunk, start_char, end_char, content, distance,
          row_number() over (order by distance, ${queueKey(splitter, "m")}, chunk) as place from by_meaning m
        union all
        select ${queueKey(splitter, "w")} as key, chunk, start_char, end_char, content, distance,
          row_number() over (order by rank desc, ${queueKey(splitter, "w")}, chunk) from by_words w
      ), fused as (
        select key, chunk, min(start_char) as start_char, min(end_char) as end_char, min(content) as content,
          min(distance) as distance, sum(1.0 / (${RRF} + place))::float8 as score
        from ranked group by key, chunk
      ), best as (
        select distinct on (key) * from fused order by key, score desc, distance, chunk
      )
      select key, distance, score, ${withText ? sql`content` : sql`null::text`} as text,
        json_build_object('chunk', chunk, 'start', start_char, 'end', end_char) as passage
      from best order by score desc, distance, key limit ${limit}`.execute(transaction);
    return rows;
  });
}
