import { sql } from "kysely";
import { bytesParameter } from "../database/array-parameter.ts";
import type { Database } from "../database/connect.ts";
import { isUnchanged, keyMatches, vectorRows } from "../sources/source-sql.ts";
import { identityOf, isSameEntry, lenders, vectorHash } from "./ledger-sql.ts";
import type { Lending } from "./lending.ts";

/** Rows with the same text that are looked at: somebody may have overwritten the vectors of a whole table. */
const MOST_LENDERS = 10_000;

/**
 * Takes back from lending the entries that were found for these texts and whose row has not the vector that we wrote any
 * more: somebody overwrote or removed it. Skips entries that are locked, or were written since the statement began.
 * @param hashes sha256 of each text, in hex.
 */
export async function forgetOverwritten(
  db: Database,
  lending: Lending,
  hashes: readonly string[],
): Promise<void> {
  const modelIds = sql`${lending.model.lenderIds}::int[]`;
  for (const lender of lending.sources()) {
    await sql`
      with overwritten as materialized (
        select l.key, ${identityOf("l")}
        from unnest(${bytesParameter(hashes)}::bytea[]) h(text_hash)
        cross join lateral (
          select l.key, ${identityOf("l")} from ${lenders(sql`h.text_hash`, modelIds, sql`array[${lender.id}::int]`)}
          limit ${MOST_LENDERS} offset 0
        ) l
        left join ${vectorRows(lender)} v on ${keyMatches(lender, "v", "l")}
        where ${isUnchanged(lender)} and (v.vector is null or l.vector_hash <> ${vectorHash(lender, sql`v.vector`)})
      ), free as materialized (
        select l.key from autoembed.embedding_ledger l join overwritten o on o.key = l.key and ${isSameEntry("l", "o")}
        where l.source_id = ${lender.id} for update of l skip locked
      )
      update autoembed.embedding_ledger l set vector_hash = null
      where l.source_id = ${lender.id} and l.key = any(array(select f.key from free f))`.execute(db);
  }
}
