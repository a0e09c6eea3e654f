import { sql } from "kysely";
import {
  bytesParameter,
  ctidsParameter,
  numbersParameter,
  textsParameter,
} from "../database/array-parameter.ts";
import type { Database } from "../database/connect.ts";
import { vectorName, type Pgvector } from "../database/pgvector.ts";
import type { VectorArray } from "../database/vector-array.ts";
import { cacheUnwritten, isTheirRow } from "./cache-unwritten.ts";
import type { LedgerModel } from "../ledger/model.ts";
import type { Source } from "../sources/source.ts";
import { preparedPerSource, type PreparedPerSource } from "./prepared-per-source.ts";
import { restorePlannerSettings } from "../database/kept-plan.ts";
import { forEachKind, heldRows, lockHeld, type ClaimKind, type HeldRow } from "./held-rows.ts";
import { dequeueWritten, writeVectorCtes, writableCte, type Outcome } from "./vector-ctes.ts";
import { isUnchanged, keysOf, queueKey, textHash, vectorType } from "../sources/source-sql.ts";

interface EmbeddedRow extends HeldRow {
  /** The index, from 0, of its text in `hashes` and `vectors`: rows of equal text share one. */
  readonly position: number;
}

export interface WriteBack {
  readonly rows: readonly EmbeddedRow[];
  /** sha256 of each text, in hex. */
  readonly hashes: readonly string[];
  readonly vectors: VectorArray;
  readonly ledgerModel: LedgerModel;
  readonly pgvector: Pgvector;
}

/**
 * Writes each row's vector if its text is still the text that was embedded; a vector that no row takes now is cached: one
 * statement, so that all of it happens or nothing. Locks the user's row first, then the queue's, and waits for neither: a
 * row that is locked stays in the queue, or in its page, and its vector is a cache hit next time.
 *
 * The vectors stay out of joins and sorts: each is read from the parameter by its index.
 * @returns the rows that were not locked and whose text was still the same.
 */
export async function writeBack(db: Database, source: Source, batch: WriteBack): Promise<Outcome[]> {
  const vectorHashes = bytesParameter(source.vectorType === "vector" ? batch.vectors.hashes() : []);
  return await forEachKind(batch.rows, async (kind, rows) =>
    statements[kind](db, source, [
      numbersParameter(rows.map(({ ticket }) => ticket)),
      ctidsParameter(rows.map(({ ctid }) => ctid)),
      numbersParameter(rows.map(({ position }) => position + 1)),
      bytesParameter(batch.hashes),
      batch.ledgerModel.id,
      batch.ledgerModel.fingerprint,
      textsParameter(rows.map(({ key }) => key)),
      vectorHashes,
      // Last: pg appends later parameters to its buffer, which would copy the vectors once more.
      batch.vectors.toParameter(batch.pgvector.vectorOid),
    ]),
  );
}

const statements = { queued: statement("queued"), paged: statement("paged") };

function statement(kind: ClaimKind): PreparedPerSource<Outcome> {
  return preparedPerSource<Outcome>((source) => {
    const claimed = sql`unnest($1::bigint[], $2::tid[], $3::int[], $7::text[]) as c(ticket, ctid, position, key)`;
    const isStoredAsIs = source.vectorType === "vector";
    // Named also where the column is no vector: a parameter must have a type.
    const vectorHashes = sql`($8::bytea[])`;
    const vectors = sql`($9::${vectorName(source.vectorSchema, "vector")}[])`;
    const isLeft = sql`c.position <> all(array(
        select h.position from held h where h.ticket = any(array(select w.ticket from written w))))`;
    return sql`
    with held as materialized (
      select c.ticket, c.ctid, ${queueKey(source, "t")} as key, c.position, ($4::bytea[])[c.position] as text_hash, ${keysOf(source, "t")}
      from ${heldRows(source, kind, claimed)}
      where ${textHash("t")} = ($4::bytea[])[c.position] and ${isUnchanged(source)} and ${restorePlannerSettings}
        and ${vectorHashes} is not null
      ${lockHeld(kind)}
    )${writableCte(source)}${writeVectorCtes(source, kind, {
      vector: sql`${vectors}[h.position]::${vectorType(source)}`,
      hash: isStoredAsIs ? sql`${vectorHashes}[h.position]` : undefined,
      modelId: sql`$5::int`,
    })}, ${cacheUnwritten(source, {
      kind,
      claimed,
      isTheirs: isTheirRow(source, kind, sql`($4::bytea[])[c.position]`),
      isLeft,
      cacheName: sql`$6::text`,
      textHash: sql`($4::bytea[])[p.position]`,
      vector: sql`${vectors}[p.position]`,
    })}${dequeueWritten(source)}`;
  });
}
