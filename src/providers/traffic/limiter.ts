import { onAbort } from "../on-abort.ts";
import { Pace, type PaceSettings } from "./rate-estimator.ts";
import { ProviderError } from "../provider-error.ts";
import type { RateHints } from "./rate-hints.ts";

export interface LimiterSettings extends PaceSettings {
  /** Requests in flight at once, at most (`EMBED_MAX_CONCURRENCY`). */
  readonly maxConcurrency: number;
}

interface Waiter {
  readonly tokens: number;
  readonly start: (permit: Permit) => void;
  paced: boolean;
}

/** Leave for one request. */
interface Permit {
  readonly startedAt: number;
  readonly paced: boolean;
  /** Its answer is there. */
  received: boolean;
}

const FIRST_CONCURRENCY = 4;

/**
 * One gate for all lanes of a process, first come, first served. How many requests may be in flight grows by one with
 * every success until the provider first complains, by one a round after that, and is halved at each complaint; when
 * the next may start is up to `Pace`.
 */
export class Limiter {
  readonly pace: Pace;
  readonly #max: number;
  #concurrency: number;
  #hasComplained = false;
  #lastComplaintAt = Number.NEGATIVE_INFINITY;
  #inFlight = 0;
  readonly #queue: Waiter[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(settings: LimiterSettings) {
    this.pace = new Pace(settings);
    this.#max = settings.maxConcurrency;
    this.#concurrency = Math.min(this.#max, FIRST_CONCURRENCY);
  }

  get concurrency(): number {
    return Math.floor(this.#concurrency);
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /**
   * Runs `request` when its turn has come.
   * @param tokens what it is thought to cost
   * @param signal ends the wait, not the request
   * @param request calls `received` when its answer is there: the next request goes out while it is read
   */
  async run<T>(
    tokens: number,
    signal: AbortSignal,
    request: (received: (hints?: RateHints) => void) => Promise<T>,
  ): Promise<T> {
    const permit = await this.#acquire(tokens, signal);
    const received = (hints?: RateHints): void => {
      if (permit.received) return;
      permit.received = true;
      this.#inFlight--;
      this.#accepted(permit);
      this.pace.hinted(hints, this.#inFlight, performance.now());
      this.#pump();
    };
    try {
      const answer = await request(received);
      received();
      return answer;
    } catch (error) {
      if (!permit.received) this.#inFlight--;
      this.#failed(permit, error);
      this.#pump();
      throw error;
    }
  }

  #acquire(tokens: number, signal: AbortSignal): Promise<Permit> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const waiter: Waiter = {
        tokens,
        paced: false,
        start: (permit) => {
          stopListening();
          resolve(permit);
        },
      };
      const stopListening = onAbort(signal, () => {
        this.#queue.splice(this.#queue.indexOf(waiter), 1);
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- the caller chose the reason
        reject(signal.reason);
        this.#pump();
      });
      this.#queue.push(waiter);
      this.#pump();
    });
  }

  #pump(): void {
    clearTimeout(this.#timer);
    for (let waiter = this.#queue[0]; waiter !== undefined; waiter = this.#queue[0]) {
      if (this.#inFlight >= this.concurrency) return;
      const now = performance.now();
      const startAt = this.pace.startAt(this.#inFlight);
      if (startAt > now) {
        waiter.paced = true;
        // What has no time yet is decided by the end of a request in flight.
        if (Number.isFinite(startAt))
          this.#timer = setTimeout(() => {
            this.#pump();
          }, startAt - now);
        return;
      }
      this.#queue.shift();
      this.#inFlight++;
      this.pace.started(now, waiter.tokens);
      waiter.start({ startedAt: now, paced: waiter.paced, received: false });
    }
  }

  #accepted(permit: Permit): void {
    this.pace.accepted(permit.startedAt, permit.paced);
    const step = this.#hasComplained ? 1 / this.#concurrency : 1;
    this.#concurrency = Math.min(this.#max, this.#concurrency + step);
  }

  #failed(permit: Permit, error: unknown): void {
    if (!(error instanceof ProviderError)) return;
    const now = performance.now();
    if (error.fault === "throttled") this.pace.refused(permit.startedAt, now, error.retryAfterMs);
    else if (error.fault !== "unwell") {
      // Refused for what it carried: the gate itself let it through.
      this.pace.accepted(permit.startedAt, permit.paced);
      return;
    }
    if (permit.startedAt <= this.#lastComplaintAt) return;
    this.#lastComplaintAt = now;
    this.#hasComplained = true;
    this.#concurrency = Math.max(1, this.#concurrency / 2);
  }
}
