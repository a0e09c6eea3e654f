import type pg from "pg";

export interface Row {
  readonly patient_id: string;
  readonly context_text: string;
}

/** Writes a batch as most people would: one statement of many VALUES, vectors as JSON. */
export async function upsert(
  pool: pg.Pool,
  batch: readonly Row[],
  vectors: readonly number[][],
): Promise<void> {
  const values = batch.map((_, i) => `($${3 * i + 1}, $${3 * i + 2}, $${3 * i + 3})`).join(", ");
  await pool.query(
    `insert into plain_embeddings (patient_id, context_text, embedding) values ${values}
     on conflict (patient_id) do update set context_text = excluded.context_text, embedding = excluded.embedding`,
    batch.flatMap((row, i) => [row.patient_id, row.context_text, JSON.stringify(vectors[i])]),
  );
}
