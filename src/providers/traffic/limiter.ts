import { onAbort } from "../on-abort.ts";
import { RateEstimator, type RateSettings } from "./rate-estimator.ts";
import { ProviderError } from "../provider-error.ts";
import type { RateHints } from "./rate-hints.ts";

export interface LimiterSettings extends RateSettings {
  /** Requests in flight at once, at most (`EMBED_MAX_CONCURRENCY`). */
  readonly maxConcurrency: number;
}

interface Waiter {
  readonly tokens: number;
  readonly start: (permit: Permit) => void;
  wasHeldBack: boolean;
}

/** Permission for one request. */
interface Permit {
  readonly startedAt: number;
  /** Whether the rate made it wait: only then does its success say anything about the rate. */
  readonly wasHeldBack: boolean;
  /** Its answer has arrived. */
  received: boolean;
}

const FIRST_CONCURRENCY = 4;

/**
 * Lets the requests of a process start, in the order of their arrival. How many may be in flight at once grows by one
 * per success until the provider first fails or throttles, and then by one per round of answers; each such failure
 * halves it. When the next request may start, `RateEstimator` says.
 */
export class Limiter {
  readonly rate: RateEstimator;
  readonly #max: number;
  #concurrency: number;
  #hasFailed = false;
  #lastFailureAt = Number.NEGATIVE_INFINITY;
  #inFlight = 0;
  readonly #queue: Waiter[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(settings: LimiterSettings) {
    this.rate = new RateEstimator(settings);
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
   * @param tokens its estimated cost
   * @param signal aborts the wait, not the request
   * @param request calls `received` when its answer has arrived: the next request starts while the answer is parsed
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
      this.rate.hinted(hints, this.#inFlight, performance.now());
      this.#startWaiting();
    };
    try {
      const answer = await request(received);
      received();
      return answer;
    } catch (error) {
      if (!permit.received) this.#inFlight--;
      this.#failed(permit, error);
      this.#startWaiting();
      throw error;
    }
  }

  #acquire(tokens: number, signal: AbortSignal): Promise<Permit> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const waiter: Waiter = {
        tokens,
        wasHeldBack: false,
        start: (permit) => {
          stopListening();
          resolve(permit);
        },
      };
      const stopListening = onAbort(signal, () => {
        this.#queue.splice(this.#queue.indexOf(waiter), 1);
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- the caller chose the reason
        reject(signal.reason);
        this.#startWaiting();
      });
      this.#queue.push(waiter);
      this.#startWaiting();
    });
  }

  #startWaiting(): void {
    clearTimeout(this.#timer);
    for (let waiter = this.#queue[0]; waiter !== undefined; waiter = this.#queue[0]) {
      if (this.#inFlight >= this.concurrency) return;
      const now = performance.now();
      const startAt = this.rate.startAt(this.#inFlight);
      if (startAt > now) {
        waiter.wasHeldBack = true;
        // Where there is no time yet, the end of a request in flight decides.
        if (Number.isFinite(startAt))
          this.#timer = setTimeout(() => {
            this.#startWaiting();
          }, startAt - now);
        return;
      }
      this.#queue.shift();
      this.#inFlight++;
      this.rate.started(now, waiter.tokens);
      waiter.start({ startedAt: now, wasHeldBack: waiter.wasHeldBack, received: false });
    }
  }

  #accepted(permit: Permit): void {
    this.rate.accepted(permit.startedAt, permit.wasHeldBack);
    const step = this.#hasFailed ? 1 / this.#concurrency : 1;
    this.#concurrency = Math.min(this.#max, this.#concurrency + step);
  }

  #failed(permit: Permit, error: unknown): void {
    if (!(error instanceof ProviderError)) return;
    const now = performance.now();
    if (error.kind === "throttled") this.rate.refused(permit.startedAt, now, error.retryAfterMs);
    else if (error.kind !== "unavailable") {
      // Refused for its texts: the rate limit accepted it.
      this.rate.accepted(permit.startedAt, permit.wasHeldBack);
      return;
    }
    if (permit.startedAt <= this.#lastFailureAt) return;
    this.#lastFailureAt = now;
    this.#hasFailed = true;
    this.#concurrency = Math.max(1, this.#concurrency / 2);
  }
}
