import type { RateHints } from "./rate-hints.ts";

export interface RateSettings {
  /** `EMBED_REQUESTS_PER_MINUTE`, where the user knows the limit. */
  readonly requestsPerMinute?: number | undefined;
  /** `EMBED_TOKENS_PER_MINUTE`. */
  readonly tokensPerMinute?: number | undefined;
  /** The first pause after a refusal that names none, in ms. */
  readonly backoffMs: number;
  /** No pause is longer, whatever the provider asks for, in ms. */
  readonly maxPauseMs: number;
}

/** A refusal without a hint is asked again after at most this long: a minute's window is found within a quarter. */
const BLIND_PAUSE_MS = 15_000;
/** Just under the measured pace, so that a bucket which has just run dry can fill a little. */
const BELOW_MEASURED = 0.98;
/** How much faster we get while as many requests are accepted as between the last two refusals. */
const GROWTH_A_CYCLE = 0.05;
const SHORTEST_CYCLE = 50;
const FASTEST_GROWTH = 0.05;
/** How much faster with every request, up to the fastest pace that the last measure leaves possible. */
const GROWTH_WITHIN_MEASURE = 0.01;

/**
 * When the next request may start: learns the pace that a provider allows, whether it counts in windows of any
 * length or by a bucket, whether it says so or only refuses.
 *
 *   free ──refused──▶ pausing ──pause over, one canary──▶ accepted: paced ──refused──▶ pausing …
 *                        ▲                                │
 *                        └────────── refused ─────────────┘
 *
 * From the first accepted canary to the next, the requests that were accepted over the time that it took are the
 * provider's true pace, whatever the shape of its limit: that is what `paced` starts from, and it grows slowly from
 * there until the next refusal. All times are `performance.now()` milliseconds.
 */
export class RateEstimator {
  readonly #settings: RateSettings;
  /** Requests a millisecond. Unknown until something refused us. */
  #rate: number | undefined;
  #nextAt = 0;
  #tokensAt = 0;
  #pausedUntil = 0;
  #lastRefusedAt = Number.NEGATIVE_INFINITY;
  /** How finely the last pause was given: it was over for so long, at most, when we came back. */
  #pauseGrainMs = 0;
  #pauses = 0;
  #onCanary = false;
  #epochSince: number | undefined;
  #accepted = 0;
  #lastCycle = SHORTEST_CYCLE;
  #measured = { accepted: 0, ms: 0 };
  /** The pace, were every pause so far over the moment it could have been. */
  #possible = 0;
  #epochs = 0;
  #remaining = Number.POSITIVE_INFINITY;

  constructor(settings: RateSettings) {
    this.#settings = settings;
    if (settings.requestsPerMinute !== undefined) this.#rate = settings.requestsPerMinute / 60_000;
  }

  /** Whether a refusal's pause lasts still, or its canary is not back yet. */
  get isPausing(): boolean {
    return this.#onCanary;
  }

  /** Requests a minute that are believed to be allowed. */
  get requestsPerMinute(): number | undefined {
    return this.#rate === undefined ? undefined : this.#rate * 60_000;
  }

  get pausedUntil(): number {
    return this.#pausedUntil;
  }

  /** The earliest time at which a request may start; Infinity while only another request's end can tell. */
  startAt(inFlight: number): number {
    if (inFlight > 0 && (this.#onCanary || this.#remaining < 1)) return Number.POSITIVE_INFINITY;
    return Math.max(this.#pausedUntil, this.#nextAt, this.#tokensAt);
  }

  started(now: number, tokens: number): void {
    this.#epochSince ??= now;
    this.#remaining -= 1;
    if (this.#rate !== undefined) this.#nextAt = Math.max(this.#nextAt, now - this.#slack()) + 1 / this.#rate;
    const { tokensPerMinute } = this.#settings;
    if (tokensPerMinute !== undefined) {
      this.#tokensAt = Math.max(this.#tokensAt, now) + (tokens / tokensPerMinute) * 60_000;
    }
  }

  /** @param paced whether the request had waited for the pace: only then does its success say anything about it */
  accepted(startedAt: number, paced: boolean): void {
    if (this.#onCanary && startedAt > this.#lastRefusedAt) this.#endPause(startedAt);
    this.#accepted++;
    if (paced && this.#rate !== undefined) this.#rate *= 1 + this.#growth();
    this.#keepToSettings();
  }

  /** @returns whether this is a new refusal, and not the echo of one already heard */
  refused(startedAt: number, now: number, retryAfterMs: number | undefined): boolean {
    const isNews = startedAt > this.#lastRefusedAt;
    if (isNews) {
      this.#lastRefusedAt = now;
      this.#pauses = this.#onCanary ? this.#pauses + 1 : 0;
      this.#onCanary = true;
    }
    const until =
      retryAfterMs === undefined
        ? this.#blindPauseUntil(now)
        : now + Math.min(jittered(retryAfterMs), this.#settings.maxPauseMs);
    if (isNews || retryAfterMs !== undefined) {
      this.#pausedUntil = Math.max(this.#pausedUntil, until);
      this.#pauseGrainMs = retryAfterMs === undefined ? until - now : grainMs(retryAfterMs);
    }
    return isNews;
  }

  /** Takes the provider's word for what is left, so that the last request of a window is the last one sent. */
  hinted(hints: RateHints | undefined, inFlight: number, now: number): void {
    if (hints === undefined) return;
    const { remainingRequests, resetRequestsMs, limitRequests, remainingTokens, resetTokensMs } = hints;
    if (remainingRequests !== undefined) {
      this.#remaining = remainingRequests - inFlight;
      if (this.#remaining < 1 && inFlight === 0 && resetRequestsMs !== undefined) {
        // One request's share of the refill; a window that is not over yet refuses it and says when it will be.
        this.#hold(now + resetRequestsMs / Math.max(1, limitRequests ?? 1));
      }
    }
    if (remainingTokens === 0 && resetTokensMs !== undefined) this.#hold(now + resetTokensMs);
  }

  #hold(until: number): void {
    this.#nextAt = Math.max(this.#nextAt, Math.min(until, performance.now() + this.#settings.maxPauseMs));
  }

  #endPause(canaryAt: number): void {
    // The pause was over at some time between the last refusal and now.
    const doubt = Math.min(this.#pauseGrainMs, canaryAt - this.#lastRefusedAt);
    const ms = canaryAt - doubt - (this.#epochSince ?? canaryAt);
    if (ms > 0 && this.#accepted > 0) this.#learn(this.#accepted, ms, doubt);
    this.#epochSince = canaryAt;
    this.#lastCycle = Math.max(SHORTEST_CYCLE, this.#accepted);
    this.#accepted = 0;
    this.#onCanary = false;
    this.#pauses = 0;
    this.#remaining = Number.POSITIVE_INFINITY;
    this.#nextAt = this.#rate === undefined ? canaryAt : canaryAt + 1 / this.#rate;
  }

  /** @param doubt how much longer than `ms` it may have taken */
  #learn(accepted: number, ms: number, doubt: number): void {
    this.#epochs++;
    // The first stretch may have used up a bucket that was full, or only the end of a window: a start, no measure.
    const isMeasure = this.#epochs > 1;
    const { accepted: before, ms: beforeMs } = this.#measured;
    const sum = { accepted: before / 2 + accepted, ms: beforeMs / 2 + ms + doubt / 2 };
    if (isMeasure) this.#measured = sum;
    this.#rate = (sum.accepted / sum.ms) * BELOW_MEASURED;
    this.#possible = (accepted / ms) * BELOW_MEASURED;
    this.#keepToSettings();
  }

  #keepToSettings(): void {
    const { requestsPerMinute } = this.#settings;
    if (requestsPerMinute === undefined || this.#rate === undefined) return;
    this.#rate = Math.min(this.#rate, requestsPerMinute / 60_000);
  }

  #growth(): number {
    if ((this.#rate ?? 0) < this.#possible) return GROWTH_WITHIN_MEASURE;
    const growth = GROWTH_A_CYCLE / this.#lastCycle;
    const beyond = this.#accepted - 1.25 * this.#lastCycle;
    return beyond <= 0 ? growth : Math.min(FASTEST_GROWTH, growth * 2 ** (beyond / (this.#lastCycle / 4)));
  }

  #blindPauseUntil(now: number): number {
    const first = this.#rate === undefined ? this.#settings.backoffMs : Math.max(1 / this.#rate, 50);
    const pause = Math.min(BLIND_PAUSE_MS, first * 2 ** this.#pauses) * (1 + Math.random() / 2);
    // Most limits are a minute's: when one is due to end about then, that is when to ask.
    const minuteOver = (this.#epochSince ?? now) + 60_000 + 20;
    return minuteOver > now && minuteOver < now + 2 * pause ? minuteOver : now + pause;
  }

  /** How far behind its pace a late start may catch up, in ms: two requests, for timers are late. */
  #slack(): number {
    return this.#rate === undefined ? 0 : 2 / this.#rate;
  }
}

/** A little later than asked, by chance, so that several clients do not come back as one. */
function jittered(ms: number): number {
  return ms + Math.random() * Math.min(500, ms / 20);
}

/** `Retry-After` counts in seconds, rounded up. */
function grainMs(retryAfterMs: number): number {
  return retryAfterMs % 1000 === 0 ? 1000 : 0;
}
