import pg from "pg";
import type { Job } from "../job.ts";
import { embedRows, load } from "./peers.ts";

interface Payload {
  readonly ids: readonly number[];
}

/** The part of its API that the bench uses. */
interface GraphileWorker {
  runMigrations(options: { readonly connectionString: string }): Promise<void>;
  runOnce(options: {
    readonly pgPool: pg.Pool;
    readonly concurrency: number;
    readonly noHandleSignals: true;
    readonly logger: unknown;
    readonly taskList: Readonly<Record<string, (payload: Payload) => Promise<void>>>;
  }): Promise<void>;
  readonly Logger: new (factory: () => () => void) => unknown;
}

function open(): GraphileWorker {
  return load("graphile-worker") as GraphileWorker;
}

export async function installGraphileWorker(connectionString: string): Promise<void> {
  await open().runMigrations({ connectionString });
}

/** One job per batch of rows, all jobs added in one statement and then run with `runOnce`: its fastest form. */
export async function graphileWorker(job: Job): Promise<void> {
  const worker = open();
  const pool = new pg.Pool({ connectionString: job.databaseUrl, max: 2 * job.lanes });
  await pool.query(
    `select graphile_worker.add_jobs(array_agg(json_populate_record(
       null::graphile_worker.job_spec, json_build_object('identifier', 'embed', 'payload', json_build_object('ids', ids)))))
     from (select json_agg(patient_id) as ids
           from (select patient_id, (row_number() over (order by patient_id) - 1) / $1 as batch
                 from patient_embeddings order by patient_id limit $2) numbered group by batch) batches`,
    [job.batch, job.rows],
  );
  await worker.runOnce({
    pgPool: pool,
    concurrency: job.lanes,
    noHandleSignals: true,
    logger: new worker.Logger(() => () => undefined),
    taskList: { embed: ({ ids }) => embedRows(pool, job, ids) },
  });
  await pool.end();
}
