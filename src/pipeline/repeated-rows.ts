import type { ClaimedRow } from "../queue/classify.ts";

/** A row that is claimed so often within a minute may be one that our own write changes. */
const TIMES = 5;
const WINDOW_MS = 60_000;
/** Beyond so many rows a drain is under way, and what repeats is noticed when it has ended. */
const MOST_ROWS = 10_000;

/** Counts how often rows are claimed. */
export class RepeatedRows {
  readonly #times = new Map<string, number>();
  #since = performance.now();

  /** Counts these, and returns those of them that were claimed often. */
  count(rows: readonly ClaimedRow[]): ClaimedRow[] {
    if (performance.now() - this.#since > WINDOW_MS || this.#times.size > MOST_ROWS) {
      this.#times.clear();
      this.#since = performance.now();
    }
    return rows.filter(({ key }) => {
      const times = (this.#times.get(key) ?? 0) + 1;
      this.#times.set(key, times);
      return times >= TIMES;
    });
  }
}
