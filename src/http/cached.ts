/** A value is reused for ten times as long as its fetch took: fetching uses at most a tenth of the database's time. */
const REUSE_FACTOR = 10;

/**
 * Caches a value that the database computes and that many requests ask for. The value is fetched again when it is older
 * than both `freshMs` and ten times the duration of its fetch. Requests during a fetch share it.
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
          this.#staleAt = now + Math.max(this.#freshMs, REUSE_FACTOR * (now - started));
      },
      () => {
        if (this.#value === value) this.forget();
      },
    );
    return value;
  }

  /** Makes the next `get` fetch a new value. */
  forget(): void {
    this.#value = undefined;
    this.#staleAt = 0;
  }
}
