import { sql } from "kysely";
import { bytesParameter, numbersParameter, placesParameter } from "../database/array-parameter.ts";
import type { Database } from "../database/connect.ts";
import { vectorName, type Pgvector } from "../database/pgvector.ts";
import type { VectorArray } from "../database/vector-array.ts";
import type { Source } from "../sources/source.ts";
import { preparedPerSource } from "./prepared-per-source.ts";
import { restorePlannerSettings } from "../database/kept-plan.ts";
import { isClaimed, writeVectorCtes, writableCte, type Outcome } from "./vector-ctes.ts";
import { keyMatches, keysOf, textHash, vectorType, watchedRows, isUnchanged } from "../sources/source-sql.ts";

export interface WriteBack {
  readonly tickets: readonly string[];
  /** Of each ticket. */
  readonly places: readonly string[];
  /** For each ticket, which of `hashes` and `vectors` is its own, from 0: equal texts share one. */
  readonly positions: readonly number[];
  /** sha256 of each text, in hex. */
  readonly hashes: readonly string[];
  readonly vectors: VectorArray;
  readonly cacheModel: string;
  readonly pgvector: Pgvector;
}

/**
 * Caches the vectors, and gives each row its own where the row's text is still the text that was embedded: one
 * statement, so that all of it happens or nothing. Takes the user's row first, then the queue's, and waits for
 * neither: a row that somebody holds keeps its place in the queue, and its vector is a cache hit next time.
 *
 * Cache rows go in by hash order, so that two listeners with the same texts cannot deadlock. The vectors stay out of
 * joins and sorts and are indexed in the parameter.
 * @returns the rows that were not held by anybody else, and whose text was still that.
 */
export async function writeBack(db: Database, source: Source, batch: WriteBack): Promise<Outcome[]> {
  return await statement(db, source, [
    numbersParameter(batch.tickets),
    placesParameter(batch.places),
    numbersParameter(batch.positions.map((position) => position + 1)),
    bytesParameter(batch.hashes),
    batch.cacheModel,
    // Last: what pg's writer appends to it would have it copied once more.
    batch.vectors.toParameter(batch.pgvector.vectorOid),
  ]);
}

const statement = preparedPerSource<Outcome>((source) => {
  const cte = writableCte(source);
  const vectors = sql`($6::${vectorName(source.vectorSchema, "vector")}[])`;
  return sql`
    with held as materialized (
      select q.ticket, q.ctid as place, c.position, ${keysOf(source, "t")}
      from unnest($1::bigint[], $2::tid[], $3::int[]) as c(ticket, place, position)
        join autoembed.embedding_queue q on ${isClaimed} join ${watchedRows(source)} t on ${keyMatches(source, "t", "q")}
      where ${textHash("t")} = ($4::bytea[])[c.position] and ${isUnchanged(source)} and ${restorePlannerSettings}
      for no key update of t skip locked for update of q skip locked
    )${cte}, cached as (
      insert into autoembed.embedding_cache (model, text_hash, embedding)
      select $5::text, h.text_hash, ${vectors}[h.position]
      from (select * from unnest($4::bytea[]) with ordinality as h(text_hash, position) order by text_hash offset 0) h
      on conflict (model, text_hash) do nothing
    )${writeVectorCtes(source, sql`${vectors}[h.position]::${vectorType(source)}`)}`;
});
