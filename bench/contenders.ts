import type { SubjectName } from "./job.ts";
import { installGraphileWorker } from "./subjects/graphile-worker.ts";
import { isInstalled, versionOf } from "./subjects/peers.ts";
import { installPgBoss } from "./subjects/pg-boss.ts";

export interface Contender {
  readonly name: string;
  readonly subject: SubjectName;
  /** Texts per request. */
  readonly batch: number;
  /** Concurrent requests. */
  readonly lanes: number;
}

const BATCH = 128;
const LANES = 4;

const QUEUES = [
  { subject: "graphile-worker", install: installGraphileWorker },
  { subject: "pg-boss", install: installPgBoss },
] as const;
const INSTALLED = QUEUES.filter(({ subject }) => isInstalled(subject));

/** With their versions, for the description of a run. */
export const PEERS = INSTALLED.map(({ subject }) => `${subject} ${versionOf(subject)}`).join(", ");

/** Of the queues that the bench compares with, those that are not installed. */
export const MISSING_PEERS = QUEUES.map(({ subject }) => subject).filter((name) => !isInstalled(name));

export const OURS = fourLanes("ours", "ours");
export const PLAN = fourLanes("plan", "plan");

export const BASELINE = fourLanes("baseline", "ask-only");
export const ROW_BY_ROW: Contender = { name: "row by row", subject: "per-row", batch: 1, lanes: 1 };

export const CONTENDERS: readonly Contender[] = [
  ROW_BY_ROW,
  { name: "plan, 64 x 1", subject: "plan", batch: 64, lanes: 1 },
  PLAN,
  ...INSTALLED.map(({ subject }) => fourLanes(subject, subject)),
  OURS,
  BASELINE,
];

/** Makes the tables that the contenders have of their own. */
export async function installPeers(databaseUrl: string): Promise<void> {
  for (const { install } of INSTALLED) await install(databaseUrl);
}

function fourLanes(name: string, subject: SubjectName): Contender {
  return { name: `${name}, ${BATCH} x ${LANES}`, subject, batch: BATCH, lanes: LANES };
}
