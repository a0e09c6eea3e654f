import { databaseFault } from "../database/database-fault.ts";

/** How long a failed drain rests before the next try; doubled by its successors. */
const FIRST_REST_MS = 250;
const LONGEST_REST_MS = 5_000;

/**
 * Runs a drain whenever it is woken, one at a time.
 *
 *   asleep ──wake──▶ draining ──▶ asleep
 *                     │  ▲ wake: remembered, and drained again
 *                     └──┘
 *   draining ──fails──▶ resting ──▶ draining        any ──stop──▶ stopped
 */
export class DrainLoop {
  readonly #drain: () => Promise<void>;
  readonly #onFailed: (error: unknown) => void;
  readonly #onDrained: () => void;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #stopping = new AbortController();
  #draining: Promise<void> | undefined;
  #again = false;
  #restMs = FIRST_REST_MS;

  constructor(options: {
    readonly drain: () => Promise<void>;
    readonly onFailed: (error: unknown) => void;
    readonly onDrained: () => void;
  }) {
    this.#drain = options.drain;
    this.#onFailed = options.onFailed;
    this.#onDrained = options.onDrained;
  }

  /** Aborted when it is to stop: no more is claimed. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  get isDraining(): boolean {
    return this.#draining !== undefined;
  }

  /** How long what failed is left alone. */
  get restMs(): number {
    return this.#restMs;
  }

  /** Drains what is due. Called while draining, it makes the drain look once more before it ends. */
  wake(): void {
    if (this.#stopping.signal.aborted) return;
    this.#again = true;
    this.#draining ??= this.#run().finally(() => {
      this.#draining = undefined;
      if (this.#again) this.wake();
      else this.#onDrained();
    });
  }

  wakeIn(milliseconds: number): void {
    if (this.#stopping.signal.aborted) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.wake();
    }, milliseconds);
    this.#timers.add(timer);
  }

  /** Something that a drain began has failed: it is said, and drained again after a rest. */
  failed(error: unknown): void {
    if (this.#stopping.signal.aborted) return;
    this.#onFailed(error);
    this.wakeIn(databaseFault(error) === "server" ? this.#restMs : LONGEST_REST_MS);
    this.#restMs = Math.min(2 * this.#restMs, LONGEST_REST_MS);
  }

  /** Resolves when no drain runs. */
  async asleep(): Promise<void> {
    while (this.#draining !== undefined) await this.#draining;
  }

  /** Resolves when the drain that runs has ended, which it should do soon after its signal. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const timer of this.#timers) clearTimeout(timer);
    await this.#draining;
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#stopping.signal.aborted) {
      this.#again = false;
      try {
        await this.#drain();
        this.#restMs = FIRST_REST_MS;
      } catch (error) {
        this.failed(error);
      }
    }
  }
}
