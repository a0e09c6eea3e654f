import type { Database } from "../database/connect.ts";
import { describeDatabaseError, isOfEveryTable } from "../database/database-fault.ts";
import type { Events } from "../events.ts";
import { Claims, type Claimant } from "../queue/claims.ts";
import type { Reservations } from "../queue/reservations.ts";
import type { Source } from "../sources/source.ts";
import { unlessAborted } from "../timing/unless-aborted.ts";
import { DrainLoop } from "./drain-loop.ts";

interface WorkerOptions {
  readonly db: Database;
  readonly source: Source;
  readonly events: Events;
  readonly claimant: Claimant;
  readonly reservations?: Reservations;
  /** Claims and works until nothing is due. */
  readonly drain: () => Promise<void>;
}

/**
 * What the workers of a source have in common, whatever they do with its rows: a drain loop and what it has
 * claimed. A drain may leave work in flight behind it; the source counts as drained when that has ended too.
 */
export class WorkerLoop {
  readonly claims: Claims;
  readonly #source: string;
  readonly #events: Events;
  readonly #loop: DrainLoop;
  readonly #aborting = new AbortController();

  constructor({ drain, ...options }: WorkerOptions) {
    const { events, source } = options;
    this.#source = source.name;
    this.#events = events;
    this.#loop = new DrainLoop({
      drain,
      onFailed: (error) =>
        events.emit("source_failing", {
          source: source.name,
          problem: describeDatabaseError(error),
          isOutage: isOfEveryTable(error),
        }),
      onDrained: () => void this.#reportDrained(),
    });
    const onReleased = (milliseconds: number): void => {
      this.#loop.wakeIn(milliseconds);
    };
    this.claims = new Claims({ ...options, onReleased });
  }

  /** Aborted when it is to stop: nothing more is claimed. */
  get stopping(): AbortSignal {
    return this.#loop.stopping;
  }

  /** Aborted when it must stop: what is in flight is left. */
  get aborting(): AbortSignal {
    return this.#aborting.signal;
  }

  get isDraining(): boolean {
    return this.#loop.isDraining;
  }

  get wakes(): number {
    return this.#loop.wakes;
  }

  /** Resolves when it was woken more often than that, or is to stop. */
  wokenSince(wakes: number): Promise<void> {
    return this.#loop.wokenSince(wakes);
  }

  /** Drains once more after that time, however often it is called until then. */
  restFor(milliseconds: number): void {
    this.#loop.restFor(milliseconds);
  }

  wake(): void {
    this.#loop.wake();
  }

  /** Reports a failure of something that a drain started and did not wait for. */
  failed(error: unknown): void {
    this.#loop.failed(error);
  }

  /** Runs a statement over claimed rows; when it fails, releases them and throws. */
  async releasingOnError<T>(tickets: readonly string[], statement: () => Promise<T>): Promise<T> {
    try {
      return await statement();
    } catch (error) {
      await this.claims.release(tickets, describeDatabaseError(error), this.#loop.restMs);
      throw error;
    }
  }

  /**
   * Claims nothing more and completes what is in flight; at the deadline aborts that and releases its rows.
   * @returns how many rows were released, also by what ended because of the stop.
   */
  async stop(deadline: AbortSignal): Promise<number> {
    const before = this.claims.released;
    this.#loop.stop();
    await unlessAborted(deadline, this.#idle()).catch(() => undefined);
    this.#aborting.abort();
    await this.claims.releaseAll();
    await this.claims.retryReleases().catch(() => undefined);
    return this.claims.released - before;
  }

  async #idle(): Promise<void> {
    while (this.#loop.isDraining || this.claims.held.size > 0) {
      await this.#loop.asleep();
      await this.claims.held.empty();
    }
  }

  async #reportDrained(): Promise<void> {
    await this.claims.held.empty();
    if (!this.#loop.isDraining) this.#events.emit("drained", { source: this.#source });
  }
}
