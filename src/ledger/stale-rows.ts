import { sql, type RawBuilder } from "kysely";
import { hasText, isSameVector, queueKey, textHash, vectorType } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import type { LedgerModel } from "./model.ts";

/** Joins the ledger's entry `l` of the watched row `t`, looked up by key: joined, it may be read whole for every page. */
export function joinLedger(source: Source): RawBuilder<unknown> {
  return sql`left join lateral (
          select l.model_id, l.text_hash from autoembed.embedding_ledger l
          where l.source_id = ${source.id} and l.key = ${queueKey(source, "t")} offset 0
        ) l on true`;
}

/** Of a row with a vector: the ledger knows that it is of another text than the row has. */
export const isOfOldText = sql<boolean>`coalesce(l.text_hash <> ${textHash("t")}, false)`;

/** Of a row with a vector: the ledger knows that another model made it. One that another tool made is left alone. */
export function isOfOldModel(modelIds: RawBuilder<unknown>): RawBuilder<boolean> {
  return sql`coalesce(l.model_id <> all(${modelIds}), false)`;
}

/**
 * Over a row `t` of `rowsWithVectors`: joins, and the condition that its vector is not the one that it should have. A
 * vector without an entry in the ledger was made by another tool, or before there was one: it is left alone, unless the
 * cache has another vector for the text.
 * @param all every row with a text or a vector.
 */
export function whereStale(source: Source, model: LedgerModel, all: boolean): RawBuilder<unknown> {
  if (all) return sql`where (t.fault is not null or ${hasText("t")} or t.vector is not null)`;
  const cached = sql`e.embedding::${vectorType(source)}`;
  return sql`${joinLedger(source)}
        left join lateral (
          select e.embedding from autoembed.embedding_cache e
          where l.text_hash is null and t.vector is not null and e.model = any(${model.cacheNames}::text[])
            and e.text_hash = ${textHash("t")} limit 1 offset 0
        ) e on true
        where (t.fault is not null or ${hasText("t")} = (t.vector is null)
          or (${hasText("t")} and (${isOfOldText} or ${isOfOldModel(sql`${model.lenderIds}::int[]`)}))
          or not ${isSameVector(source, cached, sql`t.vector`)})`;
}

/** The `lenders`: the models whose vectors are current in the source; null where no listener has embedded it yet. */
export function lendersOfCurrent(source: Source): RawBuilder<unknown> {
  return sql`select case when c.id is not null then array_agg(m.id) end as lenders
      from autoembed.embedding_source s
      left join autoembed.embedding_model c on c.id = s.current_model
      left join autoembed.embedding_model m on m.id = c.id or c.name = m.name || ' halfvec'
      where s.id = ${source.id} group by c.id`;
}
