import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";
import { compared } from "./comparable.ts";
import type { Neighbour, SearchOptions } from "./nearest.ts";
import { tuneSearch } from "./tune-search.ts";
import { distance, keysOf, queueKey, tableOf, vectorTableOf, vectorType } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";

/** A row, by its best passage. */
export interface ChunkNeighbour extends Neighbour {
  /** The passage's text, where it was asked for. */
  readonly text: string | null;
  readonly passage: {
    /** The first is 1. */
    readonly chunk: number;
    /** Characters of the row's text before it: `substr(text, start + 1, end - start)` in SQL. */
    readonly start: number;
    readonly end: number;
  };
}

/** Passages that are looked at for each row that is wanted; in the end, all. */
const PASSAGES_A_ROW = [10, 100];

/**
 * The rows whose best passages are nearest to a vector, each once. Where many passages are of the same rows, more are
 * looked at until there are enough rows, and in the end all of them, past the index.
 * @throws the database's own error for a condition that is no SQL.
 */
export async function nearestByChunks(
  db: Database,
  chunkedSource: ChunkedSource,
  source: Source,
  vector: Float32Array,
  { limit, withText, where }: SearchOptions,
): Promise<ChunkNeighbour[]> {
  const query = sql`${`[${vector.join(",")}]`}::${vectorType(source)}`;
  return await db.transaction().execute(async (transaction) => {
    const find = async (near: RawBuilder<unknown>): Promise<{ rows: ChunkNeighbour[]; looked: number }> => {
      const { rows } = await sql<ChunkNeighbour & { looked: string }>`
        with near as materialized (${near}), best as (
          select distinct on (${keysOf(chunkedSource, "n")}) ${queueKey(chunkedSource, "n")} as key, ${distance(source, sql`n.vector`, query)} as distance,
            n.content, n.chunk, n.start_char, n.end_char
          from near n order by ${keysOf(chunkedSource, "n")}, ${distance(source, sql`n.vector`, query)}, n.chunk
        )
        select b.key, b.distance, ${withText ? sql`b.content` : sql`null::text`} as text,
          json_build_object('chunk', b.chunk, 'start', b.start_char, 'end', b.end_char) as passage,
          (select count(*) from near) as looked
        from best b order by b.distance, b.key limit ${limit}`.execute(transaction);
      return { rows: rows.map(({ looked: _, ...row }) => row), looked: Number(rows[0]?.looked ?? 0) };
    };
    const passages = sql`select t.* from ${chunksWithVectors(chunkedSource, source, where)} t where t.vector is not null`;
    for (const each of PASSAGES_A_ROW) {
      const width = each * limit;
      await tuneSearch(transaction, width, where !== undefined);
      const { rows, looked } = await find(
        sql`${passages} order by ${distance(source, compared(source, sql`t.vector`), compared(source, query))} limit ${width}`,
      );
      if (rows.length === limit) return rows;
      if (looked < width) break;
    }
    return (await find(passages)).rows;
  });
}

/**
 * The passages of a source as `(k0, k1, …, content, chunk, start_char, end_char, vector)`, with the key of their row.
 * @param where a condition over the columns of the rows that they are of, in SQL.
 */
export function chunksWithVectors(
  chunkedSource: ChunkedSource,
  source: Source,
  where: string | undefined,
): RawBuilder<unknown> {
  const keys = sql.join(
    chunkedSource.key.map(({ name }, i) => sql`${sql.id("p", name)} as ${sql.id(`k${i}`)}`),
  );
  const names = (alias?: string): RawBuilder<unknown> =>
    sql.join(chunkedSource.key.map(({ name }) => (alias === undefined ? sql.id(name) : sql.id(alias, name))));
  const condition =
    where === undefined
      ? sql``
      : sql`where (${names("p")}) in (select ${names()} from ${tableOf(chunkedSource)} where (${sql.raw(where)}))`;
  return sql`(select ${keys}, p.passage as content, p.chunk, p.start_char, p.end_char, ${sql.id("p", source.vectorColumn)} as vector
    from ${vectorTableOf(chunkedSource)} p ${condition})`;
}
