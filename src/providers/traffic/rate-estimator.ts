import type { RateHints } from "./rate-hints.ts";
import { RateSearch } from "./rate-search.ts";

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

/** A refusal without a hint is followed by a probe after at most this long: a minute's window is found within a quarter of it. */
const BLIND_PAUSE_MS = 15_000;
const PAUSE_GROWTH = 3;
/** `Retry-After` counts in seconds, rounded up: so much of it is not counted as time that the limit took. */
const ROUNDED_UP_MS = 100;
/** How far a late start may catch up with the schedule, in requests: timers are late. */
const CATCH_UP = 2;

/**
 * When the next request may start: learns the rate that a provider allows, whether it counts in windows of any length or
 * by a bucket, and whether it names the limit or only refuses.
 *
 *   free ──refused──▶ pausing ──pause over, one probe request──▶ accepted: at a rate ──refused──▶ pausing …
 *                        ▲                                 │
 *                        └──────────── refused ────────────┘
 *
 * What is particular is that the rate is measured: the requests accepted from one successful probe request to the next,
 * over the time that this took, are the provider's true rate, whatever the shape of its limit. `RateSearch` goes on from
 * there.
 *
 * Simulated with 120 to 3,000 requests per minute, in windows of a minute or as a bucket: a drain takes no longer than the
 * limit makes it, and at most 4 % of the requests are refused, or 0.7 % where answers carry hints. With 20 per minute up to
 * a tenth are refused. With 600 per minute in windows of a second, where a refusal with `Retry-After` costs the whole next
 * window, one listener or four use 95 % of the first two minutes; in one run of six, four use only 90 to 93 %. A limit that
 * is raised to five times is used within three minutes at 600 per minute, and within eight at 120. All times are
 * `performance.now()` milliseconds.
 */
export class RateEstimator {
  readonly #settings: RateSettings;
  readonly #search: RateSearch;
  /** The earliest start by the rate and the hints, and by the tokens. */
  #nextAt = 0;
  #tokensAt = 0;
  /** What the provider said is left of its window. */
  #remaining = Number.POSITIVE_INFINITY;
  /** When the measurement began, and the requests accepted since. */
  #since: number | undefined;
  #accepted = 0;
  /** The pause: it lasts until then and until its probe request was accepted. */
  #isPausing = false;
  #pausedUntil = 0;
  /** The limit ended that much earlier than the pause, as far as is known. */
  #tooLongMs = 0;
  #lastRefusedAt = Number.NEGATIVE_INFINITY;
  /** Probe requests that were refused since the last one that was accepted. */
  #refusedProbes = 0;

  constructor(settings: RateSettings) {
    this.#settings = settings;
    const { requestsPerMinute } = settings;
    this.#search = new RateSearch(requestsPerMinute === undefined ? undefined : requestsPerMinute / 60_000);
  }

  get #rate(): number | undefined {
    return this.#search.rate;
  }

  /** The estimated limit. */
  get requestsPerMinute(): number | undefined {
    return this.#rate === undefined ? undefined : this.#rate * 60_000;
  }

  get pausedUntil(): number {
    return this.#pausedUntil;
  }

  /** The earliest time at which a request may start; Infinity where the end of another request decides. */
  startAt(inFlight: number): number {
    if (inFlight > 0 && (this.#isPausing || this.#remaining < 1)) return Number.POSITIVE_INFINITY;
    return Math.max(this.#pausedUntil, this.#nextAt, this.#tokensAt);
  }

  started(now: number, tokens: number): void {
    this.#since ??= now;
    this.#remaining -= 1;
    if (this.#rate !== undefined) {
      this.#nextAt = Math.max(this.#nextAt, now - CATCH_UP / this.#rate) + 1 / this.#rate;
    }
    const { tokensPerMinute } = this.#settings;
    if (tokensPerMinute !== undefined) {
      this.#tokensAt = Math.max(this.#tokensAt, now) + (tokens / tokensPerMinute) * 60_000;
    }
  }

  /** @param wasHeldBack whether the rate made the request wait: only then does its success say anything about the rate */
  accepted(startedAt: number, wasHeldBack: boolean): void {
    if (this.#isPausing && startedAt > this.#lastRefusedAt) this.#endPause(startedAt);
    this.#accepted++;
    if (wasHeldBack) this.#search.accepted();
  }

  refused(startedAt: number, now: number, retryAfterMs: number | undefined): void {
    // A refusal of a request that started before the last refusal is stale: it is about the same limit.
    const isStale = startedAt <= this.#lastRefusedAt;
    if (!isStale) {
      this.#lastRefusedAt = now;
      if (!this.#isPausing) this.#search.refused();
      this.#refusedProbes = this.#isPausing ? this.#refusedProbes + 1 : 0;
      this.#isPausing = true;
    } else if (retryAfterMs === undefined) return;
    const asked = retryAfterMs === undefined ? 0 : jittered(retryAfterMs);
    const own = this.#ownPauseMs();
    // What the provider names may lengthen our own growing pause, and never shorten it.
    const until =
      retryAfterMs === undefined
        ? this.#blindPauseUntil(now, own)
        : now + Math.min(Math.max(asked, own), this.#settings.maxPauseMs);
    this.#pausedUntil = Math.max(this.#pausedUntil, until);
    // It ended at some time in a pause of our own: in its middle.
    this.#tooLongMs = asked > own ? roundedUpMs(retryAfterMs ?? 0) : (until - now) / 2;
  }

  /** Uses what the provider says is left, so that the last request of a window is the last one sent. */
  hinted(hints: RateHints | undefined, inFlight: number, now: number): void {
    if (hints === undefined) return;
    const { remainingRequests, resetRequestsMs, limitRequests, remainingTokens, resetTokensMs } = hints;
    if (remainingRequests !== undefined) {
      this.#remaining = remainingRequests - inFlight;
      if (this.#remaining < 1 && inFlight === 0 && resetRequestsMs !== undefined) {
        // The time in which a bucket refills by one request. A window that is not over yet refuses it, and names its end.
        this.#hold(now + resetRequestsMs / Math.max(1, limitRequests ?? 1));
      }
    }
    if (remainingTokens === 0 && resetTokensMs !== undefined) this.#hold(now + resetTokensMs);
  }

  #hold(until: number): void {
    this.#nextAt = Math.max(this.#nextAt, Math.min(until, performance.now() + this.#settings.maxPauseMs));
  }

  #endPause(probeAt: number): void {
    const tooLongMs = Math.min(this.#tooLongMs, (probeAt - this.#lastRefusedAt) / 2);
    const ms = probeAt - tooLongMs - (this.#since ?? probeAt);
    if (ms > 0 && this.#accepted > 0) this.#search.measured(this.#accepted / ms);
    this.#since = probeAt;
    this.#accepted = 0;
    this.#isPausing = false;
    this.#refusedProbes = 0;
    this.#remaining = Number.POSITIVE_INFINITY;
    this.#nextAt = this.#rate === undefined ? probeAt : probeAt + 1 / this.#rate;
  }

  /** Longer with each probe request that was refused. */
  #ownPauseMs(): number {
    const firstMs = this.#rate === undefined ? this.#settings.backoffMs : Math.max(1 / this.#rate, 50);
    return Math.min(BLIND_PAUSE_MS, firstMs * PAUSE_GROWTH ** this.#refusedProbes) * (1 + Math.random() / 2);
  }

  #blindPauseUntil(now: number, pauseMs: number): number {
    // Most limits are per minute: where a minute ends about then, its end is the time for the probe request.
    const minuteEnd = (this.#since ?? now) + 60_000 + 20;
    return minuteEnd > now && minuteEnd < now + 2 * pauseMs ? minuteEnd : now + pauseMs;
  }
}

/** A little later than asked, at random, so that several clients do not return at the same moment. */
function jittered(ms: number): number {
  return ms + Math.random() * Math.min(500, ms / 20);
}

function roundedUpMs(retryAfterMs: number): number {
  return retryAfterMs % 1000 === 0 ? ROUNDED_UP_MS : 0;
}
