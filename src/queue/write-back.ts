import { sql } from "kysely";
import { bytesParameter, numbersParameter, ctidsParameter } from "../database/array-parameter.ts";
import type { Database } from "../database/connect.ts";
import { vectorName, type Pgvector } from "../database/pgvector.ts";
import type { VectorArray } from "../database/vector-array.ts";
import type { Source } from "../sources/source.ts";
import { preparedPerSource } from "./prepared-per-source.ts";
import { restorePlannerSettings } from "../database/kept-plan.ts";
import { claimedRows, lockRowThenQueue } from "./held-rows.ts";
import { writeVectorCtes, writableCte, type Outcome } from "./vector-ctes.ts";
import { isUnchanged, keysOf, textHash, vectorType } from "../sources/source-sql.ts";

export interface WriteBack {
  readonly tickets: readonly string[];
  /** Of each ticket: see `ClaimedRow`. */
  readonly ctids: readonly string[];
  /** For each ticket the index, from 0, of its text in `hashes` and `vectors`: rows of equal text share one. */
  readonly positions: readonly number[];
  /** sha256 of each text, in hex. */
  readonly hashes: readonly string[];
  readonly vectors: VectorArray;
  readonly cacheModel: string;
  readonly pgvector: Pgvector;
}

/**
 * Caches the vectors, and writes each row's vector if its text is still the text that was embedded: one statement, so that
 * all of it happens or nothing. Locks the user's row first, then the queue's, and waits for neither: a row that is locked
 * stays in the queue, and its vector is a cache hit next time.
 *
 * Cache rows are inserted in the order of their hashes, so that two listeners with the same texts cannot deadlock. The
 * vectors stay out of joins and sorts: each is read from the parameter by its index.
 * @returns the rows that were not locked and whose text was still the same.
 */
export async function writeBack(db: Database, source: Source, batch: WriteBack): Promise<Outcome[]> {
  return await statement(db, source, [
    numbersParameter(batch.tickets),
    ctidsParameter(batch.ctids),
    numbersParameter(batch.positions.map((position) => position + 1)),
    bytesParameter(batch.hashes),
    batch.cacheModel,
    // Last: pg appends later parameters to its buffer, which would copy the vectors once more.
    batch.vectors.toParameter(batch.pgvector.vectorOid),
  ]);
}

const statement = preparedPerSource<Outcome>((source) => {
  const cte = writableCte(source);
  const vectors = sql`($6::${vectorName(source.vectorSchema, "vector")}[])`;
  return sql`
    with held as materialized (
      select q.ticket, q.ctid, c.position, ${keysOf(source, "t")}
      from ${claimedRows(source, sql`unnest($1::bigint[], $2::tid[], $3::int[]) as c(ticket, ctid, position)`)}
      where ${textHash("t")} = ($4::bytea[])[c.position] and ${isUnchanged(source)} and ${restorePlannerSettings}
      ${lockRowThenQueue}
    )${cte}, cached as (
      insert into autoembed.embedding_cache (model, text_hash, embedding)
      select $5::text, h.text_hash, ${vectors}[h.position]
      from (select * from unnest($4::bytea[]) with ordinality as h(text_hash, position) order by text_hash offset 0) h
      on conflict (model, text_hash) do nothing
    )${writeVectorCtes(source, sql`${vectors}[h.position]::${vectorType(source)}`)}`;
});
