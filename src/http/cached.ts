/** How many times as long as it took is an answer served again: asking costs the database a tenth of its time at most. */
const COST_SHARE = 10;

/**
 * An answer that many ask for and that costs the database something. It is fetched again when it is older than
 * `freshMs`, or than ten times the time that fetching it took; who asks meanwhile shares the one fetch.
 */
export class Cached<T> {
  readonly #fetch: () => Promise<T>;
  readonly #freshMs: number;
  #value: Promise<T> | undefined;
  #staleAt = 0;

  constructor(freshMs: number, fetch: () => Promise<T>) {
    this.#freshMs = freshMs;
    this.#fetch = fetch;
  }

  get(): Promise<T> {
    if (this.#value !== undefined && performance.now() < this.#staleAt) return this.#value;
    const started = performance.now();
    this.#staleAt = Number.POSITIVE_INFINITY;
    const value = this.#fetch();
    this.#value = value;
    value.then(
      () => {
        const now = performance.now();
        if (this.#value === value)
          this.#staleAt = now + Math.max(this.#freshMs, COST_SHARE * (now - started));
      },
      () => {
        if (this.#value === value) this.forget();
      },
    );
    return value;
  }

  /** The next one who asks gets a new answer. */
  forget(): void {
    this.#value = undefined;
    this.#staleAt = 0;
  }
}
