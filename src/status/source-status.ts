import type { SourceBatches } from "../batches/batch-progress.ts";
import type { QueueCounts } from "../queue/counts.ts";
import type { Sent } from "../providers/roles/sent.ts";
import type { FailureReason } from "../queue/failures.ts";

export interface SourceStatus extends QueueCounts {
  readonly name: string;
  /** The name of the source whose texts are cut into these chunks; null where these are not chunks. */
  readonly chunks_of: string | null;
  /** Rows with a text. */
  readonly rows: number;
  /** Of them, the rows that have the vector that they should have and are not queued. */
  readonly current: number;
  /**
   * Rows with a text and no vector that are not queued: they were there before their table was watched, came while the
   * triggers were off, or with a partition that was attached.
   */
  readonly not_queued: number;
  /** Rows with a text whose key is too long for the queue: no backfill embeds them either. */
  readonly key_too_long: number;
  /** Rows that have a vector of another text, and are not queued: the text changed while the triggers were off. */
  readonly old_text: number;
  /** Rows whose vector another model, address or setting made. `npm run backfill` embeds all three. */
  readonly old_setting: number;
  /** Rows whose vector another tool made, or that were there before the ledger: they count as current. */
  readonly adopted: number;
  /** Rows that the backfill under way has done; null where none is. */
  readonly backfilled: number | null;
  /** Its batches at the provider; null where there are none. */
  readonly batches: SourceBatches | null;
  /** The backfill under way has stopped at its money (`backfill --spend`). */
  readonly backfill_stopped: boolean;
  /** What goes to the provider with texts and with questions; null where it is not known, or another source embeds. */
  readonly sent: Sent | null;
  readonly paused: boolean;
  readonly problem: string | null;
  /** The latest failures, one entry per reason, with an example key and never a text. */
  readonly errors: readonly FailureReason[];
  readonly today: Readonly<
    Record<"embedded" | "cached" | "failed" | "truncated" | "requests" | "tokens", number>
  >;
}

/** What is counted by reading the table. */
export type CountedRows = Pick<
  SourceStatus,
  "rows" | "current" | "not_queued" | "key_too_long" | "old_text" | "old_setting" | "adopted" | "problem"
>;

/** What no listener embeds before a backfill, and what another tool made. */
export type StaleCounts = Pick<CountedRows, "not_queued" | "old_text" | "old_setting" | "adopted">;

export const NONE_STALE: StaleCounts & Pick<CountedRows, "key_too_long"> = {
  not_queued: 0,
  key_too_long: 0,
  old_text: 0,
  old_setting: 0,
  adopted: 0,
};

/** What the queue and the day's counters say of a source. */
export type QueueStatus = Omit<SourceStatus, "name" | "chunks_of" | "paused" | "sent" | keyof CountedRows>;
