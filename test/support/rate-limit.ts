/** A limit on requests. Windows are short in tests: 600 per minute are 10 per second. */
export interface RateLimit {
  readonly requests: number;
  readonly windowMs: number;
  /** `fixed` windows, or a token `bucket` that holds `requests` and refills evenly. */
  readonly kind: "fixed" | "bucket";
  /** How a refusal says when to come back. */
  readonly says: "retry-after" | "retry-after-ms" | "date" | "nothing";
  /** Whether successes carry `x-ratelimit-*`, as OpenAI's do. */
  readonly headers?: boolean;
}

export interface Verdict {
  readonly allowed: boolean;
  readonly headers: Record<string, string>;
}

/** A provider's count of one client's requests. */
export class RateLimiter {
  readonly #limit: RateLimit;
  readonly #now: () => number;
  #left: number;
  #since: number;

  constructor(limit: RateLimit, now: () => number = () => performance.now()) {
    this.#limit = limit;
    this.#now = now;
    this.#left = limit.requests;
    this.#since = now();
  }

  take(): Verdict {
    const { requests, windowMs, kind, headers } = this.#limit;
    const now = this.#now();
    if (kind === "fixed") {
      if (now - this.#since >= windowMs) {
        this.#since += Math.floor((now - this.#since) / windowMs) * windowMs;
        this.#left = requests;
      }
    } else {
      this.#left = Math.min(requests, this.#left + ((now - this.#since) * requests) / windowMs);
      this.#since = now;
    }
    const allowed = this.#left >= 1;
    if (allowed) this.#left -= 1;
    const resetMs =
      kind === "fixed" ? this.#since + windowMs - now : ((requests - this.#left) * windowMs) / requests;
    const nextMs = kind === "fixed" ? resetMs : ((1 - this.#left) * windowMs) / requests;
    return {
      allowed,
      headers: {
        ...(headers === true
          ? {
              "x-ratelimit-limit-requests": String(requests),
              "x-ratelimit-remaining-requests": String(Math.floor(this.#left)),
              "x-ratelimit-reset-requests": `${Math.ceil(resetMs)}ms`,
            }
          : {}),
        ...(allowed ? {} : this.#comeBack(nextMs)),
      },
    };
  }

  #comeBack(ms: number): Record<string, string> {
    switch (this.#limit.says) {
      case "retry-after":
        return { "retry-after": String(Math.ceil(ms / 1000)) };
      case "retry-after-ms":
        return { "retry-after-ms": String(Math.ceil(ms)) };
      case "date":
        return { "retry-after": new Date(Date.now() + Math.ceil(ms / 1000) * 1000).toUTCString() };
      case "nothing":
        return {};
    }
  }
}
