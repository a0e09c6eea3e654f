import type { QueueCounts } from "../queue/counts.ts";
import type { FailureReason } from "../queue/failures.ts";

export interface SourceStatus extends QueueCounts {
  readonly name: string;
  /** Rows with a text. */
  readonly rows: number;
  /** Of them, the rows that have a vector and are not queued. */
  readonly current: number;
  readonly paused: boolean;
  readonly problem: string | null;
  /** The latest failures, one entry per reason, with an example key and never a text. */
  readonly errors: readonly FailureReason[];
  readonly today: Readonly<
    Record<"embedded" | "cached" | "failed" | "truncated" | "requests" | "tokens", number>
  >;
}

/** What the queue and the day's counters say of a source. */
export type QueueStatus = Omit<SourceStatus, "name" | "rows" | "current" | "paused" | "problem">;
