import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { BenchServer } from "./bench-database.ts";
import { endWithUs } from "./end-with-us.ts";
import type { Account, Job } from "./job.ts";
import { PostgresCpu } from "./postgres-cpu.ts";
import type { StandIn } from "./start-provider.ts";

const MAIN = fileURLToPath(new URL("subject-main.ts", import.meta.url));
const LONGEST_MS = 600_000;

export interface Turn extends Account {
  readonly rowsPerSecond: number;
  readonly nodeCpu: number;
  /** CPU seconds per 1,000 rows; undefined if the server is on another machine. */
  readonly postgresCpu: number | undefined;
  readonly walBytesPerRow: number;
  /** The whole database when the subject is done. */
  readonly databaseMegabytes: number;
  readonly requests: number;
  /** Rows per second from the first request to the last answer, without start and end. */
  readonly rowsPerSecondAsking: number;
}

type Task = Omit<Job, "databaseUrl" | "providerUrl">;

/** Runs one subject once, on `database`, without measuring its CPU: to compare with other statements timed alone. */
export async function timeSubject(
  server: BenchServer,
  provider: StandIn,
  database: string,
  job: Task,
): Promise<Account> {
  const whole: Job = { ...job, databaseUrl: server.urlOf(database), providerUrl: provider.url };
  const running = promisify(execFile)(process.execPath, ["--import", "tsx", MAIN, JSON.stringify(whole)], {
    timeout: LONGEST_MS,
  });
  endWithUs(running.child);
  const { stdout } = await running;
  return JSON.parse(stdout) as Account;
}

/** Runs one subject once and measures everything that it cost. */
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
  const walBytes = (await server.walBytes()) - wal;
  const thousands = job.rows / 1000;
  return {
    ...account,
    rowsPerSecond: job.rows / account.seconds,
    nodeCpu: account.cpuSeconds / thousands,
    postgresCpu: postgres === undefined ? undefined : postgres / thousands,
    walBytesPerRow: walBytes / job.rows,
    databaseMegabytes: await server.megabytesOf(database),
    requests,
    rowsPerSecondAsking: (1000 * job.rows) / windowMs,
  };
}
