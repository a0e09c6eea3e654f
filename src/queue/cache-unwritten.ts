import { sql, type RawBuilder } from "kysely";
import { bytesParameter, numbersParameter, textsParameter } from "../database/array-parameter.ts";
import type { Database } from "../database/connect.ts";
import { vectorName, type Pgvector } from "../database/pgvector.ts";
import type { VectorArray } from "../database/vector-array.ts";
import { hasText, isUnchanged, queueKey } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import { isFree } from "../ledger/ledger-sql.ts";
import type { LedgerModel } from "../ledger/model.ts";
import { heldRows, type ClaimKind } from "./held-rows.ts";

interface Unwritten {
  readonly kind: ClaimKind;
  /** The embedded rows `c`, with their `key` and the `position` of their texts; also the `ticket` and the `ctid`, if they are queued. */
  readonly claimed: RawBuilder<unknown>;
  /** Over `c`: no row has taken its vector. */
  readonly isLeft: RawBuilder<unknown>;
  /** `embedding_model.name` of vectors of full precision. */
  readonly cacheName: RawBuilder<unknown>;
  /** Over a row `p` with the `position`. */
  readonly textHash: RawBuilder<unknown>;
  readonly vector: RawBuilder<unknown>;
}

/**
 * The CTEs that cache the vectors that no row has taken, so that they are not paid for again. Each is stored under the key
 * of its row, whose deletion erases it. It is cached if either the row or its queue row can be locked against deletion:
 * only a transaction that deletes the row holds both. A row of a page has no queue row, so it alone decides. A row that has
 * no text any more caches nothing: it may have been erased.
 */
export function cacheUnwritten(source: Source, unwritten: Unwritten): RawBuilder<unknown> {
  // The text is read of the few rows that are left. It may be a new one, which cannot be computed.
  const tried: Source = source.textIsColumn ? source : { ...source, evaluatesPerRow: true };
  const isLeft = sql`${isUnchanged(source)} and case when ${unwritten.isLeft} then ${hasText("t")} else false end`;
  const rows = heldRows(tried, "paged", unwritten.claimed);
  const queued = sql`, queued as materialized (
      select c.position, ${queueKey(source, "t")} as key from ${heldRows(tried, "queued", unwritten.claimed)} where ${isLeft} for key share of q skip locked
    )`;
  return sql`present as materialized (
      select c.position, ${queueKey(source, "t")} as key from ${rows} where ${isLeft} for key share of t skip locked
    )${unwritten.kind === "queued" ? queued : sql``}, cached as (
      insert into autoembed.embedding_cache (model, text_hash, embedding, source_id, key)
      select ${unwritten.cacheName}, p.text_hash, ${unwritten.vector}, ${sql.lit(source.id)}, p.key
      from (
        select distinct on (text_hash) p.position, p.key, ${unwritten.textHash} as text_hash
        from (select * from present${unwritten.kind === "queued" ? sql` union all select * from queued` : sql``}) p order by text_hash, p.key offset 0
      ) p
      where ${isFree(unwritten.cacheName, sql`p.text_hash`)}
      on conflict (model, text_hash) do nothing
    )`;
}

/** Caches vectors and writes no row, so that what was paid for is kept when the rows cannot be written. */
export async function cacheVectors(db: Database, source: Source, embedded: EmbeddedTexts): Promise<void> {
  const { rows, hashes, vectors, ledgerModel, pgvector } = embedded;
  await sql`
    with v as materialized (
      select ${vectors.toParameter(pgvector.vectorOid)}::${vectorName(pgvector.schema, "vector")}[] as vectors,
        ${bytesParameter(hashes)}::bytea[] as hashes
    ), ${cacheUnwritten(source, {
      kind: "paged",
      claimed: sql`unnest(${numbersParameter(rows.map(({ position }) => position + 1))}::int[],
        ${textsParameter(rows.map(({ key }) => key))}::text[]) as c(position, key)`,
      isLeft: sql`true`,
      cacheName: sql`${ledgerModel.fingerprint}::text`,
      textHash: sql`((select v.hashes from v))[p.position]`,
      vector: sql`((select v.vectors from v))[p.position]`,
    })}
    select`.execute(db);
}

export interface EmbeddedTexts {
  /** The index, from 0, of each row's text in `hashes` and `vectors`. */
  readonly rows: readonly { readonly key: string; readonly position: number }[];
  /** sha256 of each text, in hex. */
  readonly hashes: readonly string[];
  readonly vectors: VectorArray;
  readonly ledgerModel: Pick<LedgerModel, "fingerprint">;
  readonly pgvector: Pgvector;
}
