import { onAbort } from "../../timing/on-abort.ts";
import { RateEstimator, type RateSettings } from "./rate-estimator.ts";
import { ProviderError } from "../provider-error.ts";
import type { RateHints } from "./rate-hints.ts";
import { isPrompt, type Turn } from "./turn.ts";
import { Turns } from "./turns.ts";

export interface LimiterSettings extends RateSettings {
  /** Requests in flight at once, at most (`EMBED_MAX_CONCURRENCY`). */
  readonly maxConcurrency: number;
}

interface Waiter {
  readonly turn: Turn;
  readonly tokens: number;
  readonly start: (permit: Permit) => void;
  wasHeldBack: boolean;
}

/** Permission for one request. */
interface Permit {
  readonly startedAt: number;
  readonly isPrompt: boolean;
  /** Whether the rate made it wait: only then does its success say anything about the rate. */
  readonly wasHeldBack: boolean;
  /** Its answer has arrived. */
  received: boolean;
}

const FIRST_CONCURRENCY = 4;
/** From so many lanes on, one in sixteen, or one, is kept free for questions and fresh changes. With fewer the next is theirs. */
const LANES_TO_SHARE = 8;
const LANES_PER_FREE = 16;

/**
 * Lets the requests of a process start, as `Turns` orders them. How many may be in flight at once grows by one
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
  /** Of these, the ones that nobody waits for. */
  #unhurried = 0;
  readonly #queue = new Turns<Waiter>();
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
   * @param cost its estimated tokens, and whose it is and what for
   * @param signal aborts the wait, not the request
   * @param request calls `received` when its answer has arrived: the next request starts while the answer is parsed
   */
  async run<T>(
    cost: Pick<Waiter, "tokens" | "turn">,
    signal: AbortSignal,
    request: (received: (hints?: RateHints) => void) => Promise<T>,
  ): Promise<T> {
    const permit = await this.#acquire(cost, signal);
    const received = (hints?: RateHints): void => {
      if (permit.received) return;
      this.#ended(permit);
      this.#accepted(permit);
      this.rate.hinted(hints, this.#inFlight, performance.now());
      this.#startWaiting();
    };
    try {
      const answer = await request(received);
      received();
      return answer;
    } catch (error) {
      if (!permit.received) this.#ended(permit);
      this.#failed(permit, error);
      this.#startWaiting();
      throw error;
    }
  }

  #ended(permit: Permit): void {
    permit.received = true;
    this.#inFlight--;
    if (!permit.isPrompt) this.#unhurried--;
  }

  #acquire(cost: Pick<Waiter, "tokens" | "turn">, signal: AbortSignal): Promise<Permit> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const waiter: Waiter = {
        ...cost,
        wasHeldBack: false,
        start: (permit) => {
          stopListening();
          resolve(permit);
        },
      };
      const stopListening = onAbort(signal, () => {
        this.#queue.remove(waiter);
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- the caller chose the reason
        reject(signal.reason);
        this.#startWaiting();
      });
      this.#queue.add(waiter);
      this.#startWaiting();
    });
  }

  #startWaiting(): void {
    clearTimeout(this.#timer);
    for (let waiter = this.#nextWithLane(); waiter !== undefined; waiter = this.#nextWithLane()) {
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
      this.#queue.started(waiter);
      this.#inFlight++;
      const prompt = isPrompt(waiter.turn);
      if (!prompt) this.#unhurried++;
      this.rate.started(now, waiter.tokens);
      waiter.start({ startedAt: now, isPrompt: prompt, wasHeldBack: waiter.wasHeldBack, received: false });
    }
  }

  /** While a backfill whose turn it is has no lane, the one that is kept free is used by whom it is kept for. */
  #nextWithLane(): Waiter | undefined {
    const { next } = this.#queue;
    if (next === undefined || this.#hasLaneFor(next)) return next;
    const { mostUrgent } = this.#queue;
    return mostUrgent !== undefined && this.#hasLaneFor(mostUrgent) ? mostUrgent : undefined;
  }

  #hasLaneFor({ turn }: Waiter): boolean {
    const lanes = this.concurrency;
    if (this.#inFlight >= lanes) return false;
    const free = lanes < LANES_TO_SHARE ? 0 : Math.ceil(lanes / LANES_PER_FREE);
    return isPrompt(turn) || this.#unhurried < lanes - free;
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
