import pg from "pg";
import type { Job } from "../job.ts";
import { embedAsFloats } from "./embed-as-floats.ts";
import { upsert, type Row } from "./upsert.ts";

/** Batching as most people would write it: a dimension probe, then batches, multi-row VALUES, one commit per batch. */
export async function plan(job: Job): Promise<void> {
  const pool = new pg.Pool({ connectionString: job.databaseUrl, max: job.lanes });
  const { rows } = await pool.query<Row>(
    "select patient_id, context_text from patient_embeddings order by patient_id limit $1",
    [job.rows],
  );
  const [probe = []] = await embedAsFloats(job.providerUrl, ["dimension probe"]);
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < rows.length) {
      const batch = rows.slice(next, next + job.batch);
      next += batch.length;
      const vectors = await embedAsFloats(
        job.providerUrl,
        batch.map((row) => row.context_text),
      );
      if (vectors.some((vector) => vector.length !== probe.length)) throw new Error("set EMBEDDING_DIM");
      await upsert(pool, batch, vectors);
    }
  };
  await Promise.all(Array.from({ length: job.lanes }, lane));
  await pool.end();
}
