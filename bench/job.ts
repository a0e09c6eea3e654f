/** One turn of a subject, told to its process as JSON. */
export interface Job {
  readonly subject: SubjectName;
  readonly databaseUrl: string;
  readonly providerUrl: string;
  readonly rows: number;
  /** Texts a request. */
  readonly batch: number;
  /** Requests in flight. */
  readonly lanes: number;
}

export type SubjectName = "per-row" | "plan" | "graphile-worker" | "pg-boss" | "ours" | "ask-only";

/** What the process says of itself when it is done. */
export interface Account {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMegabytes: number;
}
