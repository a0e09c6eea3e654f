import { sql, type RawBuilder } from "kysely";
import pg from "pg";
import type { Database } from "../database/connect.ts";
import { distance, queueKey, rowsWithVectors, vectorType } from "../sources/source-sql.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import type { Source } from "../sources/source.ts";
import { compared } from "./comparable.ts";
import type { Neighbour, SearchOptions } from "./nearest.ts";
import { tuneSearch } from "./tune-search.ts";

/** Rows of each kind that are ranked against each other; the constant of reciprocal rank fusion (Cormack et al., 2009). */
export const CANDIDATES = 60;
export const RRF = 60;

/** What Postgres says of a text with more than 1 MB of different words. */
const TOO_MANY_WORDS = "54000";
/** Characters of each text whose words are looked at where one has too many: 100,000 are below 1 MB in any script. */
const LOOKED_AT = 100_000;

export interface HybridNeighbour extends Neighbour {
  /** Reciprocal rank fusion: the sum of 1 / (60 + rank) over both lists; the highest is the best. */
  readonly score: number;
}

export interface HybridOptions extends SearchOptions {
  readonly query: string;
  /** Of the words: a text search configuration. */
  readonly language: string;
}

/**
 * Rows near by meaning and rows with the words, fused by their ranks: names, codes and doses are found by their
 * letters, the rest by sense. The words go through `websearch_to_tsquery` in `language`; without an index on
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
      return await hybridOnce(db, source, vector, options, sql`left(t.content, ${sql.lit(LOOKED_AT)})`);
    }
  });
}

async function hybridOnce(
  db: Database,
  source: Source,
  vector: Float32Array,
  { query, language, limit, withText, where }: HybridOptions,
  content: RawBuilder<unknown>,
): Promise<HybridNeighbour[]> {
  const near = sql`${`[${vector.join(",")}]`}::${vectorType(source)}`;
  const words = sql`to_tsvector(${sql.lit(language)}::regconfig, ${content})`;
  const asked = sql`websearch_to_tsquery(${sql.lit(language)}::regconfig, ${query})`;
  const candidates = Math.max(CANDIDATES, limit);
  const rows = rowsWithVectors(source, where);
  return await db.transaction().execute(async (transaction) => {
    await tuneSearch(transaction, candidates, where !== undefined);
    const found = await sql<HybridNeighbour>`
      with by_meaning as materialized (
        select ${queueKey(source, "t")} as key, ${distance(source, sql`t.vector`, near)} as distance, t.content
        from ${rows} t where t.vector is not null
        order by ${distance(source, compared(source, sql`t.vector`), compared(source, near))} limit ${candidates}
      ), by_words as materialized (
        select ${queueKey(source, "t")} as key, ${distance(source, sql`t.vector`, near)} as distance, t.content,
          ts_rank_cd(${words}, ${asked}) as rank
        from ${rows} t where t.vector is not null and ${words} @@ ${asked}
        order by rank desc limit ${candidates}
      ), ranked as (
        select key, distance, content, row_number() over (order by distance, key) as place from by_meaning
        union all
        select key, distance, content, row_number() over (order by rank desc, key) from by_words
      )
      select key, min(distance) as distance, sum(1.0 / (${RRF} + place))::float8 as score,
        ${withText ? sql`min(content)` : sql`null::text`} as text
      from ranked group by key order by score desc, distance, key limit ${limit}`.execute(transaction);
    return found.rows;
  });
}
