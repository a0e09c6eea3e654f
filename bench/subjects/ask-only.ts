import pg from "pg";
import type { Job } from "../job.ts";
import { ask } from "./embed-as-floats.ts";

/** Baseline: sends the same requests, equally many at once, and discards the answers. It shows what the provider allows. */
export async function askOnly(job: Job): Promise<void> {
  const client = new pg.Client(job.databaseUrl);
  await client.connect();
  const { rows } = await client.query<{ context_text: string }>(
    "select context_text from patient_embeddings order by patient_id limit $1",
    [job.rows],
  );
  await client.end();
  const texts = rows.map((row) => row.context_text);
  const lane = async (): Promise<void> => {
    while (texts.length > 0) {
      const { body } = await ask(job.providerUrl, texts.splice(0, job.batch), { encoding_format: "base64" });
      await body.arrayBuffer();
    }
  };
  await Promise.all(Array.from({ length: job.lanes }, lane));
}
