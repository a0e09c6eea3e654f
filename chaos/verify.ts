import type pg from "pg";
import { oracleVector } from "../test/support/oracle-vector.ts";

export interface Verdict {
  readonly rows: number;
  readonly pending: number;
  /** Rows that are not pending and have a text but no vector. */
  readonly lost: number;
  /** Rows that are not pending and have a vector of another text. */
  readonly wrong: number;
  /** Rows that are not pending and whose entry in the ledger is missing, or of another text or vector. */
  readonly unrecorded: number;
  /** Entries in ledger and cache of rows that were deleted. */
  readonly left: number;
}

/** The table that holds the vectors: the watched one, or a separate one. */
export type VectorsIn = "patient_embeddings" | "patient_vectors";

/**
 * Compares every row that is not pending with the oracle, in one snapshot: each must be right at every moment. While a
 * backfill is under way, a row without a vector is pending.
 */
export async function verify(client: pg.Client, vectors: VectorsIn, dimensions: number): Promise<Verdict> {
  const { rows } = await client.query<{
    text: string;
    vector: string | null;
    pending: boolean;
    recorded: boolean;
  }>(`
    select t.context_text as text, v.embedding::text as vector,
      q.key is not null or (v.embedding is null and exists (select from autoembed.embedding_backfill)) as pending,
      coalesce(l.text_hash = sha256(convert_to(t.context_text, 'UTF8'))
        and l.vector_hash = substr(sha256(vector_send(v.embedding)), 1, 8), false) as recorded
    from patient_embeddings t left join ${vectors} v on v.patient_id = t.patient_id
    left join autoembed.embedding_queue q on q.key = t.patient_id::text
    left join autoembed.embedding_ledger l on l.key = t.patient_id::text`);
  let pending = 0;
  let lost = 0;
  let wrong = 0;
  let unrecorded = 0;
  for (const row of rows) {
    const expected = row.text.trim() === "" ? null : oracleVector(row.text, dimensions);
    const actual = row.vector === null ? null : Float32Array.from(JSON.parse(row.vector) as number[]);
    if (row.pending) pending++;
    else if (actual === null && expected !== null) lost++;
    else if (String(actual) !== String(expected)) wrong++;
    else if (actual !== null && !row.recorded) unrecorded++;
  }
  return { rows: rows.length, pending, lost, wrong, unrecorded, left: await countLeft(client) };
}

/** What is pending may be about to be cleared away. */
async function countLeft(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ left: number }>(`
    select count(*)::int as left from (
      select key from autoembed.embedding_ledger union all select key from autoembed.embedding_cache
    ) e
    where not exists (select from patient_embeddings t where t.patient_id::text = e.key)
      and not exists (select from autoembed.embedding_queue q where q.key = e.key)`);
  return rows[0]?.left ?? 0;
}
