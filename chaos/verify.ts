import type pg from "pg";
import { oracleVector } from "../test/support/oracle-vector.ts";

export interface Verdict {
  readonly rows: number;
  readonly pending: number;
  /** Rows that are not pending and have a text but no vector. */
  readonly lost: number;
  /** Rows that are not pending and have a vector of another text. */
  readonly wrong: number;
}

/** The table that holds the vectors: the watched one, or a separate one. */
export type VectorsIn = "patient_embeddings" | "patient_vectors";

/** Compares every row that is not pending with the oracle, in one snapshot: each must be right at every moment. */
export async function verify(client: pg.Client, vectors: VectorsIn, dimensions: number): Promise<Verdict> {
  const { rows } = await client.query<{ text: string; vector: string | null; pending: boolean }>(`
    select t.context_text as text, v.embedding::text as vector, q.key is not null as pending
    from patient_embeddings t left join ${vectors} v on v.patient_id = t.patient_id
    left join autoembed.embedding_queue q on q.key = t.patient_id::text`);
  let pending = 0;
  let lost = 0;
  let wrong = 0;
  for (const row of rows) {
    const expected = row.text.trim() === "" ? null : oracleVector(row.text, dimensions);
    const actual = row.vector === null ? null : Float32Array.from(JSON.parse(row.vector) as number[]);
    if (row.pending) pending++;
    else if (actual === null && expected !== null) lost++;
    else if (String(actual) !== String(expected)) wrong++;
  }
  return { rows: rows.length, pending, lost, wrong };
}
