import { sql } from "kysely";
import { bytesParameter, numbersParameter } from "../database/array-parameter.ts";
import type { Database } from "../database/connect.ts";
import type { VectorArray } from "../database/vector-array.ts";
import type { Source } from "../sources/source.ts";
import { perSource } from "./statement.ts";
import { store, writable, type Outcome } from "./store.ts";
import { keyMatches, keysOf, textHash, vectorType, watchedRows, isUnchanged } from "../sources/source-sql.ts";

export interface WriteBack {
  readonly tickets: readonly string[];
  /** For each ticket, which of `hashes` and `vectors` is its own, from 0: equal texts share one. */
  readonly positions: readonly number[];
  /** sha256 of each text, in hex. */
  readonly hashes: readonly string[];
  readonly vectors: VectorArray;
  readonly cacheModel: string;
  /** `'vector'::regtype::oid` */
  readonly vectorOid: number;
}

/**
 * Caches the vectors, and gives each row its own where the row's text is still the text that was embedded: one
 * statement, so that all of it happens or nothing. Takes the user's row first, then the queue's, and waits for
 * neither: a row that somebody holds keeps its place in the queue, and its vector is a cache hit next time.
 *
 * Cache rows go in by hash order, so that two listeners with the same texts cannot deadlock. The vectors stay out of
 * joins and sorts and are indexed in the parameter, and each row finds its place there by its ticket: joined with
 * unnest(), every row of the batch was compared with every other (99 us of Postgres a row against 74, 1536 dimensions,
 * batches of 128, 20,000 rows pending).
 * @returns the rows that were not held by anybody else, and whose text was still that.
 */
export async function writeBack(db: Database, source: Source, batch: WriteBack): Promise<Outcome[]> {
  return await statement(db, source, [
    bytesParameter(batch.hashes),
    numbersParameter(batch.tickets),
    numbersParameter(batch.positions.map((position) => position + 1)),
    batch.cacheModel,
    // Last: what pg's writer appends to it would have it copied once more.
    batch.vectors.toParameter(batch.vectorOid),
  ]);
}

/** The place of the locked row's vector and hash, as `q` stands when it is locked. */
const position = sql`($3::int[])[array_position($2::bigint[], q.ticket)]`;

const statement = perSource<Outcome>((source) => {
  const cte = writable(source);
  return sql`
    with held as materialized (
      select q.ticket, ${position} as position, ${keysOf(source, "t")}
      from embedding_queue q join ${watchedRows(source)} t on ${keyMatches(source, "t", "q")}
      where q.source_id = ${sql.lit(source.id)} and q.failed_at is null and q.ticket = any($2::bigint[])
        and ${textHash("t")} = ($1::bytea[])[${position}]
        and ${isUnchanged(source)}
      for no key update of t skip locked for update of q skip locked
    )${cte}, cached as (
      insert into embedding_cache (model, text_hash, embedding)
      select $4::text, h.text_hash, ($5::vector[])[h.position]
      from (select * from unnest($1::bytea[]) with ordinality as h(text_hash, position) order by text_hash offset 0) h
      on conflict (model, text_hash) do nothing
    )${store(source, sql`($5::vector[])[h.position]::${vectorType(source)}`)}`;
});
