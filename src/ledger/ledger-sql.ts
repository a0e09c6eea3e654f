import { sql, type RawBuilder } from "kysely";
import { vectorName } from "../database/pgvector.ts";
import { isUnchanged, keyMatches, vectorRows } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import type { LedgerModel } from "./model.ts";

/*
 * The ledger says of each row which text and which model its vector was made of. A row may lend its vector to another row
 * with the same text as long as the vector is the one that we wrote, which its hash tells.
 */

/**
 * Of a vector as the source stores it: see `embedding_ledger.vector_hash`. It takes some 20 us for 1536 dimensions: where
 * the hash is known, it is not computed again.
 */
export function vectorHash(source: Source, vector: RawBuilder<unknown>): RawBuilder<Buffer> {
  const send = vectorName(source.vectorSchema, `${source.vectorType}_send`);
  return sql`substr(sha256(${send}(${vector})), 1, 8)`;
}

/** Ledger rows that say that a row of these sources has a vector for the text, made by one of these models. */
export function lenders(
  textHash: RawBuilder<unknown>,
  modelIds: RawBuilder<unknown>,
  sourceIds: RawBuilder<unknown>,
): RawBuilder<unknown> {
  // Only the text's index serves this: by source, a plan that is kept might read all of its rows.
  return sql`autoembed.embedding_ledger l where l.text_hash = ${textHash} and l.model_id = any(${modelIds})
        and l.source_id + 0 = any(${sourceIds}) and l.vector_hash is not null`;
}

/**
 * True where the cache has no such entry. To be asked before one is inserted, in addition to `on conflict`, which would wait
 * for a user's transaction that is about to delete it; that user may be waiting for us.
 */
export function isFree(cacheName: RawBuilder<unknown>, textHash: RawBuilder<unknown>): RawBuilder<boolean> {
  return sql`not exists (select from autoembed.embedding_cache e
        where e.model = ${cacheName} and e.text_hash = ${textHash} offset 0)`;
}

/** True where the cache has a vector for the text under one of these names. */
export function isCached(
  textHash: RawBuilder<unknown>,
  cacheNames: RawBuilder<unknown>,
): RawBuilder<boolean> {
  return sql`exists (select from autoembed.embedding_cache e
        where e.model = any(${cacheNames}) and e.text_hash = ${textHash} offset 0)`;
}

/** The columns that tell an entry from one that is written later under its key: rows of a batch have one time. */
export function identityOf(entry: string): RawBuilder<unknown> {
  return sql.join(["embedded_at", "text_hash", "vector_hash"].map((column) => sql.ref(`${entry}.${column}`)));
}

/** Whether two entries are one, as `identityOf` has it. */
export function isSameEntry(one: string, other: string): RawBuilder<boolean> {
  return sql`(${identityOf(one)}) is not distinct from (${identityOf(other)})`;
}

/** Stands for the hash of a vector that is not known. */
export const NO_HASH = sql`null::bytea`;

/** Rows with the same text that are tried, in whatever order: one whose vector was overwritten is passed over. */
const CANDIDATES = 8;

/**
 * A subquery with the `vector` that a row of the lender has for the text, if it is still the one that we wrote, and the
 * `vector_hash`, null where the taker stores it in another precision. Of a lender that was watched by another key since it
 * was read it has none: the ledger's keys are no values of the key that it had.
 */
export function lentVector(
  lender: Source,
  taker: Source,
  textHash: RawBuilder<unknown>,
  modelIds: RawBuilder<unknown>,
): RawBuilder<unknown> {
  return sql`(
        select v.vector, ${lender.vectorType === taker.vectorType ? sql`l.vector_hash` : NO_HASH} as vector_hash from (
          select l.key, l.vector_hash from ${lenders(textHash, modelIds, sql`array[${sql.lit(lender.id)}]`)}
            and ${isUnchanged(lender)}
          limit ${sql.lit(CANDIDATES)} offset 0
        ) l join ${vectorRows(lender)} v on ${keyMatches(lender, "v", "l")}
        where l.vector_hash = ${vectorHash(lender, sql`v.vector`)} limit 1 offset 0
      )`;
}

/**
 * True where any row or the cache has a vector for the text. A row of the source whose vector somebody overwrote lends none.
 * The vectors of other sources are not looked at: their tables may be locked, or forbidden to this role.
 */
export function hasVector(
  textHash: RawBuilder<unknown>,
  model: LedgerModel,
  source: Source,
): RawBuilder<boolean> {
  const ids = sql`${model.lenderIds}::int[]`;
  const own = sql`array[${sql.lit(source.id)}]`;
  return sql`(${isCached(textHash, sql`${model.cacheNames}::text[]`)} or exists (
        select from autoembed.embedding_ledger l where l.text_hash = ${textHash} and l.model_id = any(${ids})
          and l.vector_hash is not null and ${source.hasNoVectors === true ? sql`true` : sql`l.source_id <> all(${own})`} offset 0
      ) or ${source.hasNoVectors === true ? sql`false` : hasOwnVector(source, lenders(textHash, ids, own))})`;
}

/** @param lenders rows of the ledger, of the source */
function hasOwnVector(source: Source, lenders: RawBuilder<unknown>): RawBuilder<boolean> {
  return sql`exists (
        select from (select l.key, l.vector_hash from ${lenders} limit ${sql.lit(CANDIDATES)} offset 0) l
        join ${vectorRows(source)} v on ${keyMatches(source, "v", "l")}
        where l.vector_hash = ${vectorHash(source, sql`v.vector`)} offset 0)`;
}
