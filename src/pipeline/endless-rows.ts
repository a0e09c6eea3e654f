/** A trigger may tidy a text up once. A row that our own write has queued so often is queued by it without end. */
const TIMES = 3;
/**
 * How often the rows of a claim are looked at. A claim with a row that was claimed just before is always looked at, and so
 * is every claim for a while after such a row was found.
 */
const LOOK_MS = 5_000;
/** Rows that were claimed just before: a drain of more rows than this is looked at by the clock alone. */
const RECENT = 1_000;
/** So long after the last one that was found. */
const WATCH_MS = 600_000;
/** Rows that are remembered; the oldest are forgotten. */
const MOST_ROWS = 100_000;

/** Counts how often each row was queued by our own write: by key. */
export class EndlessRows {
  readonly #times = new Map<string, number>();
  readonly #recent = new Set<string>();
  #lookedAt = Number.NEGATIVE_INFINITY;
  #foundAt = Number.NEGATIVE_INFINITY;

  /** Whether the rows of this claim, with these keys, are to be looked at. */
  isDue(keys: readonly string[]): boolean {
    const now = performance.now();
    const isAgain = keys.some((key) => this.#recent.has(key));
    if (this.#recent.size > RECENT) this.#recent.clear();
    for (const key of keys) this.#recent.add(key);
    if (!isAgain && now - this.#foundAt > WATCH_MS && now - this.#lookedAt < LOOK_MS) return false;
    this.#lookedAt = now;
    return true;
  }

  /** @param keys of rows that our own write has queued. @returns those of them that it queues without end */
  count(keys: readonly string[]): string[] {
    if (keys.length > 0) this.#foundAt = performance.now();
    const endless = keys.filter((key) => {
      const times = (this.#times.get(key) ?? 0) + 1;
      this.#times.delete(key);
      if (times < TIMES) this.#times.set(key, times);
      return times >= TIMES;
    });
    for (const key of this.#times.keys()) {
      if (this.#times.size <= MOST_ROWS) break;
      this.#times.delete(key);
    }
    return endless;
  }
}
