import { databaseFault } from "../database/database-fault.ts";

/** How long the loop rests after a failed drain before the next one; doubled with every failure in a row. */
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
  #isResting = false;
  #wakes = 0;
  readonly #sleepers: (() => void)[] = [];
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

  /** Aborted by `stop`: the drain must claim nothing more. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  get isDraining(): boolean {
    return this.#draining !== undefined;
  }

  /** How long rows over which a statement failed are left alone. */
  get restMs(): number {
    return this.#restMs;
  }

  /** How often it was woken. */
  get wakes(): number {
    return this.#wakes;
  }

  /** Resolves when it was woken more often than that, or is to stop. */
  async wokenSince(wakes: number): Promise<void> {
    if (this.#wakes > wakes || this.#stopping.signal.aborted) return;
    await new Promise<void>((resolve) => this.#sleepers.push(resolve));
  }

  /** Drains what is due. Called while a drain runs, it makes another one follow. */
  wake(): void {
    if (this.#stopping.signal.aborted) return;
    this.#again = true;
    this.#wakes++;
    this.#rouse();
    this.#draining ??= this.#run().finally(() => {
      this.#draining = undefined;
      if (this.#again) this.wake();
      else this.#onDrained();
    });
  }

  wakeIn(milliseconds: number): void {
    this.#after(milliseconds, () => {
      this.wake();
    });
  }

  /** The same, but once for all calls until then: of the drains that each call it, one follows, and not one of each. */
  restFor(milliseconds: number): void {
    if (this.#isResting) return;
    this.#isResting = true;
    this.#after(milliseconds, () => {
      this.#isResting = false;
      this.wake();
    });
  }

  /** Reports the failure of a drain, or of something that it started, and drains again after a rest. */
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

  /** Starts no further drain. The one that runs should end soon after its signal: see `asleep`. */
  stop(): void {
    this.#stopping.abort();
    this.#rouse();
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #after(milliseconds: number, action: () => void): void {
    if (this.#stopping.signal.aborted) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, milliseconds);
    this.#timers.add(timer);
  }

  #rouse(): void {
    for (const resolve of this.#sleepers.splice(0)) resolve();
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
