import { sql, type RawBuilder } from "kysely";
import pg from "pg";
import type { Database } from "../database/connect.ts";
import { distance, queueKey, vectorType } from "../sources/source-sql.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import type { Source } from "../sources/source.ts";
import { compared } from "./comparable.ts";
import {
  neighbourOf,
  searchedRows,
  type FoundRow,
  type Neighbour,
  type SearchOptions,
} from "./searched-rows.ts";
import { tuneSearch } from "./tune-search.ts";

/** Candidates of each kind, at least; and the constant of reciprocal rank fusion (Cormack et al., 2009). */
const CANDIDATES = 60;
const RRF = 60;
/** Chunks of each kind that are ranked per wanted row. */
const CHUNKS_PER_ROW = 10;

/** The SQLSTATE for a text with more than 1 MB of different words. */
const TOO_MANY_WORDS = "54000";
/** Characters of each text that are parsed if one text has too many words: 100,000 stay below 1 MB in any script. */
const PARSED_CHARACTERS = 100_000;

export interface HybridNeighbour extends Neighbour {
  /** Reciprocal rank fusion: the sum of 1 / (60 + rank) over both lists, of the row's best chunk. Highest is best. */
  readonly score: number;
}

export interface HybridOptions extends SearchOptions {
  readonly query: string;
  /** The text search configuration of the words. */
  readonly language: string;
}

/**
 * Rows that are near in meaning and rows that contain the words, fused by their ranks: names, codes and doses are found
 * by their letters, the rest by sense. The words go through `websearch_to_tsquery` in `language`; without an index on
 * `to_tsvector('<language>', <text>)` every row's text is parsed.
 */
export async function hybrid(
  db: Database,
  source: Source,
  vector: Float32Array,
  options: HybridOptions,
): Promise<HybridNeighbour[]> {
  return await withPerRowFallback(source, async (source) => {
    try {
      return await hybridOnce(db, source, vector, options, sql`t.content`);
    } catch (error) {
      if (!(error instanceof pg.DatabaseError) || error.code !== TOO_MANY_WORDS) throw error;
      const beginning = sql`left(t.content, ${sql.lit(PARSED_CHARACTERS)})`;
      return await hybridOnce(db, source, vector, options, beginning);
    }
  });
}

async function hybridOnce(
  db: Database,
  source: Source,
  vector: Float32Array,
  options: HybridOptions,
  content: RawBuilder<unknown>,
): Promise<HybridNeighbour[]> {
  const { query, language, limit, withText, where, chunkedSource } = options;
  const { keyed, rows: searched, position } = searchedRows(source, options);
  const near = sql`${`[${vector.join(",")}]`}::${vectorType(source)}`;
  const words = sql`to_tsvector(${sql.lit(language)}::regconfig, ${content})`;
  const asked = sql`websearch_to_tsquery(${sql.lit(language)}::regconfig, ${query})`;
  const candidates = Math.max(CANDIDATES, chunkedSource === undefined ? limit : CHUNKS_PER_ROW * limit);
  const columns = sql`${queueKey(keyed, "t")} as key, ${position("t")}, t.content, ${distance(source, sql`t.vector`, near)} as distance`;
  return await db.transaction().execute(async (transaction) => {
    await tuneSearch(transaction, candidates, where !== undefined);
    const { rows } = await sql<FoundRow & { score: number }>`
      with by_meaning as materialized (
        select ${columns} from ${searched} t where t.vector is not null
        order by ${distance(source, compared(source, sql`t.vector`), compared(source, near))} limit ${candidates}
      ), by_words as materialized (
        select ${columns}, ts_rank_cd(${words}, ${asked}) as rank
        from ${searched} t where t.vector is not null and ${words} @@ ${asked}
        order by rank desc limit ${candidates}
      ), ranked as (
        select key, chunk, start_char, end_char, content, distance,
          row_number() over (order by distance, key, chunk) as place from by_meaning
        union all
        select key, chunk, start_char, end_char, content, distance,
          row_number() over (order by rank desc, key, chunk) from by_words
      ), fused as (
        select key, chunk, min(start_char) as start_char, min(end_char) as end_char, min(content) as content,
          min(distance) as distance, sum(1.0 / (${RRF} + place))::float8 as score
        from ranked group by key, chunk
      ), best as (
        select distinct on (key) * from fused order by key, score desc, distance, chunk
      )
      select key, distance, score, ${withText ? sql`content` : sql`null::text`} as text, chunk, start_char, end_char
      from best order by score desc, distance, key limit ${limit}`.execute(transaction);
    return rows.map((row) => ({ ...neighbourOf(row), score: row.score }));
  });
}
