import { sql, type RawBuilder } from "kysely";
import { bytesParameter, numbersParameter, textsParameter } from "../database/array-parameter.ts";
import type { Database } from "../database/connect.ts";
import { vectorName, type Pgvector } from "../database/pgvector.ts";
import type { VectorArray } from "../database/vector-array.ts";
import { hasText, isUnchanged, queueKey, textHash } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import { isFree } from "../ledger/ledger-sql.ts";
import type { LedgerModel } from "../ledger/model.ts";
import { heldRows, type ClaimKind, type HeldRow } from "./held-rows.ts";
import { isQueuedSince } from "./is-queued.ts";

interface Unwritten {
  readonly kind: ClaimKind;
  /** The embedded rows `c`, with their `key` and the `position` of their texts; also the `ticket` and the `ctid`, if they are queued. */
  readonly claimed: RawBuilder<unknown>;
  /** Over `c` and its watched row `t`: no other row has come under its key since. */
  readonly isTheirs: RawBuilder<boolean>;
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
 * no text any more caches nothing: it may have been erased. Nor does one that may have come in the place of a deleted one.
 */
export function cacheUnwritten(source: Source, unwritten: Unwritten): RawBuilder<unknown> {
  // The text is read of the few rows that are left. It may be a new one, which cannot be computed.
  const tried: Source = source.textIsColumn ? source : { ...source, evaluatesPerRow: true };
  const isLeft = sql`${isUnchanged(source)} and case when ${unwritten.isLeft}
        then ${hasText("t")} and ${unwritten.isTheirs} else false end`;
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

/**
 * That the row `t` is the one that was claimed as `c`, with whatever text. Queued, its key has been of one row since the
 * first ticket of its queue row; of a page, nothing tells one row from another, so that it must still have the text.
 */
export function isTheirRow(
  source: Source,
  kind: ClaimKind,
  claimedHash: RawBuilder<unknown>,
): RawBuilder<boolean> {
  if (kind === "paged") return sql`${textHash("t")} = ${claimedHash}`;
  return isQueuedSince(source.id, queueKey(source, "t"), sql`c.ticket`);
}

/** Caches vectors and writes no row, so that what was paid for is kept when the rows cannot be written. */
export async function cacheVectors(db: Database, source: Source, embedded: EmbeddedTexts): Promise<void> {
  const { rows, hashes, vectors, ledgerModel, pgvector } = embedded;
  const hash = sql`((select v.hashes from v))[c.position]`;
  await sql`
    with v as materialized (
      select ${vectors.toParameter(pgvector.vectorOid)}::${vectorName(pgvector.schema, "vector")}[] as vectors,
        ${bytesParameter(hashes)}::bytea[] as hashes
    ), ${cacheUnwritten(source, {
      kind: "paged",
      claimed: sql`unnest(${numbersParameter(rows.map(({ position }) => position + 1))}::int[],
        ${textsParameter(rows.map(({ key }) => key))}::text[], ${numbersParameter(rows.map(queuedTicket))}::bigint[])
        as c(position, key, ticket)`,
      isTheirs: sql`case when c.ticket is null then ${isTheirRow(source, "paged", hash)}
        else ${isTheirRow(source, "queued", hash)} end`,
      isLeft: sql`true`,
      cacheName: sql`${ledgerModel.fingerprint}::text`,
      textHash: sql`((select v.hashes from v))[p.position]`,
      vector: sql`((select v.vectors from v))[p.position]`,
    })}
    select`.execute(db);
}

function queuedTicket({ ticket, ctid = null }: EmbeddedRow): string {
  return ctid === null || ticket === undefined ? "null" : ticket;
}

interface EmbeddedRow extends Partial<Omit<HeldRow, "key">> {
  readonly key: string;
  readonly position: number;
}

export interface EmbeddedTexts {
  /** The index, from 0, of each row's text in `hashes` and `vectors`. */
  readonly rows: readonly EmbeddedRow[];
  /** sha256 of each text, in hex. */
  readonly hashes: readonly string[];
  readonly vectors: VectorArray;
  readonly ledgerModel: Pick<LedgerModel, "fingerprint">;
  readonly pgvector: Pgvector;
}
