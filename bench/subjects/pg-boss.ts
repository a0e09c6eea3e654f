import pg from "pg";
import type { Job } from "../job.ts";
import { embedRows, load } from "./peers.ts";

interface Fetched {
  readonly id: string;
  readonly data: { readonly id: number };
}

/** The part of its API that the bench uses. */
interface Boss {
  start(): Promise<unknown>;
  stop(options: { readonly graceful: boolean; readonly wait: boolean }): Promise<void>;
  createQueue(name: string): Promise<void>;
  insert(jobs: readonly { readonly name: string; readonly data: Fetched["data"] }[]): Promise<void>;
  fetch(name: string, options: { readonly batchSize: number }): Promise<readonly Fetched[]>;
  complete(name: string, ids: readonly string[]): Promise<void>;
}

const QUEUE = "embed";

function open(connectionString: string): Boss {
  const PgBoss = load("pg-boss") as new (options: object) => Boss;
  return new PgBoss({ connectionString, supervise: false, schedule: false });
}

export async function installPgBoss(connectionString: string): Promise<void> {
  const boss = open(connectionString);
  await boss.start();
  await boss.createQueue(QUEUE);
  await boss.stop({ graceful: false, wait: true });
}

/** One job per row, all added in one statement; each lane fetches a batch of jobs, embeds and completes it: its fastest form. */
export async function pgBoss(job: Job): Promise<void> {
  const boss = open(job.databaseUrl);
  await boss.start();
  const pool = new pg.Pool({ connectionString: job.databaseUrl, max: job.lanes });
  const { rows } = await pool.query<{ patient_id: string }>(
    "select patient_id from patient_embeddings order by patient_id limit $1",
    [job.rows],
  );
  await boss.insert(rows.map(({ patient_id }) => ({ name: QUEUE, data: { id: Number(patient_id) } })));
  const lane = async (): Promise<void> => {
    for (;;) {
      const jobs = await boss.fetch(QUEUE, { batchSize: job.batch });
      if (jobs.length === 0) return;
      await embedRows(
        pool,
        job,
        jobs.map(({ data }) => data.id),
      );
      await boss.complete(
        QUEUE,
        jobs.map(({ id }) => id),
      );
    }
  };
  await Promise.all(Array.from({ length: job.lanes }, lane));
  await boss.stop({ graceful: false, wait: true });
  await pool.end();
}
