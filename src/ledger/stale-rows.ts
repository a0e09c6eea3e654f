import { sql, type RawBuilder } from "kysely";
import { hasText, isSameVector, keyFits, queueKey, textHash, vectorType } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import type { LedgerModel } from "./model.ts";

/** Of a row with a vector: the ledger's entry `l` knows that it is of another text than the row has. */
export const isOfOldText = sql<boolean>`coalesce(l.text_hash <> ${textHash("t")}, false)`;

/** Of a row with a vector: the ledger's entry `l` knows that another model made it. One of another tool is left alone. */
export function isOfOldModel(modelIds: RawBuilder<unknown>): RawBuilder<boolean> {
  // A null is unlike all of none: a model that has made no vector yet has no number.
  return sql`coalesce(l.model_id is not null and l.model_id <> all(${modelIds}), false)`;
}

/** A model in a statement: see `LedgerModel`. */
interface ModelSql {
  readonly lenderIds: RawBuilder<unknown>;
  readonly cacheNames: RawBuilder<unknown>;
}

/** For statements that bind their values. */
export function modelSql(model: LedgerModel): ModelSql {
  return { lenderIds: sql`${model.lenderIds}::int[]`, cacheNames: sql`${model.cacheNames}::text[]` };
}

/**
 * For `isStale`: what the ledger (`l`) and the cache (`e`) have of a row `t` with a vector, looked up by key: joined, they
 * may be read whole.
 */
export function joinKnown(source: Source, model: ModelSql | null): RawBuilder<unknown> {
  return sql`left join lateral (
          select l.model_id, l.text_hash, l.embedded_at from autoembed.embedding_ledger l
          where t.vector is not null and l.source_id = ${sql.lit(source.id)} and l.key = ${queueKey(source, "t")} offset 0
        ) l on true
        left join lateral (
          select e.embedding from autoembed.embedding_cache e
          where l.text_hash is null and t.vector is not null and e.model = any(${model?.cacheNames ?? sql`'{}'::text[]`})
            and e.text_hash = ${textHash("t")} limit 1 offset 0
        ) e on true`;
}

/**
 * A row `t` of `rowsWithVectors`, joined by `joinKnown`, does not have the vector that it should have. A vector without an
 * entry in the ledger was made by another tool, or before there was one: it is left alone, unless the cache has another
 * vector for the text.
 * @param model null where it is not known yet
 */
function isStale(source: Source, model: ModelSql | null): RawBuilder<boolean> {
  const isOfOther = model === null ? sql`false` : isOfOldModel(model.lenderIds);
  return sql`${keyFits(source, "t")} and (t.fault is not null or ${hasText("t")} = (t.vector is null)
          or (${hasText("t")} and (${isOfOldText} or ${isOfOther}))
          or coalesce(not ${isSameVector(source, sql`e.embedding::${vectorType(source)}`, sql`t.vector`)}, false))`;
}

/**
 * A row `t`, joined by `joinKnown`, is one that a backfill embeds: one that is stale, or any that was not embedded since a
 * time that the backfill of all rows began.
 * @param allSince that time; undefined where only rows that are stale are embedded
 */
export function isToEmbed(
  source: Source,
  model: ModelSql | null,
  allSince: RawBuilder<unknown> | undefined,
): RawBuilder<boolean> {
  return allSince === undefined
    ? isStale(source, model)
    : sql`${keyFits(source, "t")} and (t.fault is not null or ${hasText("t")} or t.vector is not null)
        and coalesce(l.embedded_at < ${allSince}, true)`;
}

/** The `lenders`: the models whose vectors are current in the source; null where no listener has embedded it yet. */
export function lendersOfCurrent(source: Source): RawBuilder<unknown> {
  return sql`select case when c.id is not null then array_agg(m.id) end as lenders
      from autoembed.embedding_source s
      left join autoembed.embedding_model c on c.id = s.current_model
      left join autoembed.embedding_model m on m.id = c.id or c.name = m.name || ' halfvec'
      where s.id = ${source.id} group by c.id`;
}
