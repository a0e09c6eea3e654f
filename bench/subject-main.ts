/** Runs one turn in a process of its own, so that CPU time and memory can be measured. Prints an `Account` as JSON. */
import { hearPlans } from "./explained-writes.ts";
import type { Account, Job } from "./job.ts";
import { closeProvider } from "./subjects/embed-as-floats.ts";
import { askOnly } from "./subjects/ask-only.ts";
import { graphileWorker } from "./subjects/graphile-worker.ts";
import { ours } from "./subjects/ours.ts";
import { perRow } from "./subjects/per-row.ts";
import { pgBoss } from "./subjects/pg-boss.ts";
import { plan } from "./subjects/plan.ts";

const job = JSON.parse(process.argv[2] ?? "") as Job;
const subject = {
  "per-row": perRow,
  plan,
  "graphile-worker": graphileWorker,
  "pg-boss": pgBoss,
  ours,
  "ask-only": askOnly,
}[job.subject];
const writes = job.explained === true ? hearPlans() : undefined;
const cpu = process.cpuUsage();
const started = performance.now();
await subject(job);
const seconds = (performance.now() - started) / 1000;
const { user, system } = process.cpuUsage(cpu);
await closeProvider();
const account: Account = {
  seconds,
  cpuSeconds: (user + system) / 1e6,
  peakMegabytes: process.resourceUsage().maxRSS / 1024,
  ...(writes === undefined ? {} : { writes: writes() }),
};
console.log(JSON.stringify(account));
