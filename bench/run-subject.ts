import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { BenchServer } from "./bench-database.ts";
import type { Account, Job } from "./job.ts";
import { PostgresCpu } from "./postgres-cpu.ts";
import type { StandIn } from "./start-provider.ts";

const MAIN = fileURLToPath(new URL("subject-main.ts", import.meta.url));
const LONGEST_MS = 180_000;

export interface Turn extends Account {
  readonly rowsPerSecond: number;
  readonly nodeCpu: number;
  /** CPU seconds a 1,000 rows; undefined where the server is on another machine. */
  readonly postgresCpu: number | undefined;
  readonly walBytesPerRow: number;
  readonly requests: number;
  /** While the provider was being asked, without start and end. */
  readonly rowsPerSecondAsking: number;
}

type Task = Omit<Job, "databaseUrl" | "providerUrl">;

/** Runs one subject once, on `database`, with nothing beside it that looks on: to be compared with what is timed alone. */
export async function timeSubject(
  server: BenchServer,
  provider: StandIn,
  database: string,
  job: Task,
): Promise<Account> {
  const whole: Job = { ...job, databaseUrl: server.urlOf(database), providerUrl: provider.url };
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--import", "tsx", MAIN, JSON.stringify(whole)],
    { timeout: LONGEST_MS },
  );
  return JSON.parse(stdout) as Account;
}

/** The same, and all that it cost. */
export async function runSubject(
  server: BenchServer,
  provider: StandIn,
  database: string,
  job: Task,
): Promise<Turn> {
  const cpu = new PostgresCpu(database);
  const wal = await server.walBytes();
  await provider.counts();
  cpu.start();
  const account = await timeSubject(server, provider, database, job);
  const postgres = await cpu.stop();
  const { requests, windowMs } = await provider.counts();
  const thousands = job.rows / 1000;
  return {
    ...account,
    rowsPerSecond: job.rows / account.seconds,
    nodeCpu: account.cpuSeconds / thousands,
    postgresCpu: postgres === undefined ? undefined : postgres / thousands,
    walBytesPerRow: ((await server.walBytes()) - wal) / job.rows,
    requests,
    rowsPerSecondAsking: (1000 * job.rows) / windowMs,
  };
}
