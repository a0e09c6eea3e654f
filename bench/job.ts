import type { ExplainedWrite } from "./explained-writes.ts";

/** One turn of a subject, passed to its process as JSON. */
export interface Job {
  readonly subject: SubjectName;
  readonly databaseUrl: string;
  readonly providerUrl: string;
  readonly rows: number;
  /** Texts per request. */
  readonly batch: number;
  /** Concurrent requests. */
  readonly lanes: number;
  /** The server sends the plans of its statements (`sendPlans`), and the process adds up their writes. */
  readonly explained?: boolean;
}

export type SubjectName = "per-row" | "plan" | "graphile-worker" | "pg-boss" | "ours" | "ask-only";

/** What the process reports about itself when it is done. */
export interface Account {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMegabytes: number;
  /** Of an `explained` job. */
  readonly writes?: readonly ExplainedWrite[];
}
