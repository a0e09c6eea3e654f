import pg from "pg";
import type { Job } from "../job.ts";
import { embedAsFloats } from "./embed-as-floats.ts";

/** One request, one insert and one commit per row. */
export async function perRow(job: Job): Promise<void> {
  const client = new pg.Client(job.databaseUrl);
  await client.connect();
  const { rows } = await client.query<{ patient_id: string; context_text: string }>(
    "select patient_id, context_text from patient_embeddings order by patient_id limit $1",
    [job.rows],
  );
  for (const { patient_id, context_text } of rows) {
    const [vector] = await embedAsFloats(job.providerUrl, [context_text]);
    await client.query(
      `insert into plain_embeddings (patient_id, context_text, embedding) values ($1, $2, $3)
       on conflict (patient_id) do update set context_text = excluded.context_text, embedding = excluded.embedding`,
      [patient_id, context_text, JSON.stringify(vector)],
    );
  }
  await client.end();
}
