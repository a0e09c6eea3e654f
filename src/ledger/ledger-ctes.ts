import { sql, type RawBuilder } from "kysely";
import { vectorName } from "../database/pgvector.ts";
import type { Source } from "../sources/source.ts";
import { isHeldRow, vectorTableOf } from "../sources/source-sql.ts";
import { isFree, vectorHash } from "./ledger-sql.ts";

/*
 * CTEs of the statements that change a row's vector, over CTEs with the `key` of each row as the queue writes it. All of
 * them hold the lock of the watched row, so that none of them meets another on a row of the ledger.
 */

/** Other rows with the vector that are looked at: a text that a whole table has may change in all of it. */
const MOST_LOOKED_AT = 8;

/**
 * The CTE `former`: caches the vector that each row `h` of `held` is about to lose, so that going back to its text is
 * free; if it is the one that we wrote, and no other row keeps it. Of rows that lose it at the same time each would leave it
 * to the others. In the order of the hashes, so that two listeners cannot deadlock.
 * The model's number is taken from `m`: by that of `l`, other rows would be looked for before the cache is.
 * @param isFormer over `l`, the row's entry in the ledger, and `h`.
 * @param isLeaving over `o`, the entry of another row with that vector: it may lose it too, at any moment.
 */
export function cacheFormer(
  source: Source,
  held: string,
  isFormer: RawBuilder<unknown>,
  isLeaving: RawBuilder<unknown>,
): RawBuilder<unknown> {
  const id = sql.lit(source.id);
  return sql`, former as (
      insert into autoembed.embedding_cache (model, text_hash, embedding, source_id, key)
      select m.name, l.text_hash, v.vector::${vectorName(source.vectorSchema, "vector")}, ${id}, h.key
      from ${sql.id(held)} h
      cross join lateral (
        select l.model_id, l.text_hash, l.vector_hash from autoembed.embedding_ledger l
        where l.source_id = ${id} and l.key = h.key and ${isFormer} offset 0
      ) l
      cross join lateral (
        select m.id, m.name from autoembed.embedding_model m
        where m.id = l.model_id and ${isFree(sql`m.name`, sql`l.text_hash`)} offset 0
      ) m
      cross join lateral (
        select w.${sql.id(source.vectorColumn)} as vector from ${vectorTableOf(source)} w
        where ${isHeldRow(source, "w", "h")} offset 0
      ) v
      where l.vector_hash = ${vectorHash(source, sql`v.vector`)}
        and not exists (
        select from (
          select o.source_id, o.key from autoembed.embedding_ledger o where o.text_hash = l.text_hash and o.model_id = m.id
            and o.vector_hash is not null and (o.source_id <> ${id} or o.key <> all(array(select n.key from ${sql.id(held)} n)))
          limit ${sql.lit(MOST_LOOKED_AT)} offset 0
        ) o where not ${isLeaving} offset 0)
      order by m.name, l.text_hash
      on conflict (model, text_hash) do nothing
    )`;
}

/**
 * The CTE `recorded`: enters the rows of `written`, with `key`, `text_hash` and `vector_hash`, in the ledger. A key is
 * entered once, although tables that inherit from the watched one may have it again.
 */
export function recordInLedger(source: Source, modelId: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`recorded as (
      insert into autoembed.embedding_ledger (source_id, model_id, text_hash, vector_hash, key)
      select distinct on (w.key) ${sql.lit(source.id)}, ${modelId}, w.text_hash, w.vector_hash, w.key from written w
      order by w.key
      on conflict (source_id, key) do update set model_id = excluded.model_id, embedded_at = excluded.embedded_at,
        text_hash = excluded.text_hash, vector_hash = excluded.vector_hash
    )`;
}

/** The CTE `unrecorded`: removes the rows of `written` from the ledger. */
export function removeFromLedger(source: Source): RawBuilder<unknown> {
  return sql`unrecorded as (
      delete from autoembed.embedding_ledger l
      where l.source_id = ${sql.lit(source.id)} and l.key = any(array(select w.key from written w))
    )`;
}
