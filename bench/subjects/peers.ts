import { createRequire } from "node:module";
import type pg from "pg";
import type { Job } from "../job.ts";
import { embedAsFloats } from "./embed-as-floats.ts";
import { upsert, type Row } from "./upsert.ts";

const require = createRequire(import.meta.url);

/** Job queues take part if they are installed: `npm ci --prefix bench`. */
export function isInstalled(name: string): boolean {
  try {
    require.resolve(name);
    return true;
  } catch {
    return false;
  }
}

/** Of an installed package. */
export function versionOf(name: string): string {
  return (load(`${name}/package.json`) as { version: string }).version;
}

export function load(name: string): unknown {
  return require(name);
}

/** The handler of a job over several rows: the same batch as in `plan`. */
export async function embedRows(pool: pg.Pool, job: Job, ids: readonly number[]): Promise<void> {
  const { rows } = await pool.query<Row>(
    "select patient_id, context_text from patient_embeddings where patient_id = any($1)",
    [ids],
  );
  const texts = rows.map((row) => row.context_text);
  await upsert(pool, rows, await embedAsFloats(job.providerUrl, texts));
}
