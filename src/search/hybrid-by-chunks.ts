import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { compared } from "./comparable.ts";
import { CANDIDATES, RRF, type HybridOptions } from "./hybrid.ts";
import { tuneSearch } from "./tune-search.ts";
import { distance, queueKey, vectorType } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import { chunksWithVectors, type ChunkNeighbour } from "./nearest-by-chunks.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";

export interface HybridChunkNeighbour extends ChunkNeighbour {
  /** Reciprocal rank fusion of its best passage. */
  readonly score: number;
}

/** Passages of each kind that are ranked for each row that is wanted. */
const PASSAGES_A_ROW = 10;

/** `hybrid`, over passages: each row once, by the passage that is best by meaning and words together. */
export async function hybridByChunks(
  db: Database,
  chunkedSource: ChunkedSource,
  source: Source,
  vector: Float32Array,
  { query, language, limit, withText, where }: HybridOptions,
): Promise<HybridChunkNeighbour[]> {
  const near = sql`${`[${vector.join(",")}]`}::${vectorType(source)}`;
  const words = sql`to_tsvector(${sql.lit(language)}::regconfig, t.content)`;
  const asked = sql`websearch_to_tsquery(${sql.lit(language)}::regconfig, ${query})`;
  const candidates = Math.max(CANDIDATES, PASSAGES_A_ROW * limit);
  const passages = chunksWithVectors(chunkedSource, source, where);
  return await db.transaction().execute(async (transaction) => {
    await tuneSearch(transaction, candidates, where !== undefined);
    const { rows } = await sql<HybridChunkNeighbour>`
      with by_meaning as materialized (
        select t.*, ${distance(source, sql`t.vector`, near)} as distance from ${passages} t where t.vector is not null
        order by ${distance(source, compared(source, sql`t.vector`), compared(source, near))} limit ${candidates}
      ), by_words as materialized (
        select t.*, ${distance(source, sql`t.vector`, near)} as distance, ts_rank_cd(${words}, ${asked}) as rank
        from ${passages} t where t.vector is not null and ${words} @@ ${asked}
        order by rank desc limit ${candidates}
      ), ranked as (
        select ${queueKey(chunkedSource, "m")} as key, chunk, start_char, end_char, content, distance,
          row_number() over (order by distance, ${queueKey(chunkedSource, "m")}, chunk) as place from by_meaning m
        union all
        select ${queueKey(chunkedSource, "w")} as key, chunk, start_char, end_char, content, distance,
          row_number() over (order by rank desc, ${queueKey(chunkedSource, "w")}, chunk) from by_words w
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
