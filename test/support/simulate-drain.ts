import { vi } from "vitest";
import { Limiter, type LimiterSettings } from "../../src/providers/traffic/limiter.ts";
import { ProviderError } from "../../src/providers/provider-error.ts";
import { rateHints, retryAfterMs, type RateHints } from "../../src/providers/traffic/rate-hints.ts";
import { RateLimiter, type RateLimit } from "./rate-limit.ts";

export interface Drain {
  readonly limit: RateLimit;
  readonly lanes: number;
  readonly latencyMs: number;
  readonly requests: number;
  /** Each with a limiter of its own, and with so many lanes. */
  readonly processes?: number;
  readonly settings?: Partial<LimiterSettings>;
}

export interface DrainResult {
  readonly ms: number;
  /** The share of all requests sent that was refused. */
  readonly refusedShare: number;
  /** Milliseconds that the limit allows for such a drain. */
  readonly allowedMs: number;
}

const never = new AbortController().signal;

/** Drains through limiters against a rate limit, in minutes of fake time, by the same chance each time. Needs `vi.useFakeTimers`. */
export async function simulateDrain({
  limit,
  lanes,
  latencyMs,
  requests,
  processes = 1,
  settings,
}: Drain): Promise<DrainResult> {
  const chance = vi.spyOn(Math, "random").mockImplementation(seeded());
  const server = new RateLimiter(limit);
  const limiters = Array.from(
    { length: processes },
    () => new Limiter({ backoffMs: 500, maxPauseMs: 60_000, maxConcurrency: lanes, ...settings }),
  );
  const since = performance.now();
  let [left, sent, refused] = [requests, 0, 0];

  async function request(received: (hints: RateHints) => void): Promise<void> {
    sent++;
    const verdict = server.take();
    const headers = Object.fromEntries(
      Object.entries(verdict.headers).map(([name, value]) => [name.toLowerCase(), value]),
    );
    await new Promise((resolve) => setTimeout(resolve, verdict.allowed ? latencyMs : latencyMs / 4));
    if (verdict.allowed) {
      received(rateHints(headers));
      return;
    }
    refused++;
    throw new ProviderError("throttled", "slower", { retryAfterMs: retryAfterMs(headers) });
  }

  async function lane(limiter: Limiter): Promise<void> {
    while (left > 0) {
      left--;
      for (let done = false; !done;) {
        done = await limiter
          .run({ tokens: 1, turn: { purpose: "change", source: "", weight: 1 } }, never, request)
          .then(
            () => true,
            () => false,
          );
      }
    }
  }

  let finishedAt: number | undefined;
  const drained = Promise.all(
    limiters.flatMap((limiter) => Array.from({ length: lanes }, () => lane(limiter))),
  ).then(() => (finishedAt = performance.now()));
  while (finishedAt === undefined) await vi.advanceTimersByTimeAsync(100);
  await drained;
  chance.mockRestore();
  return {
    ms: finishedAt - since,
    refusedShare: refused / sent,
    allowedMs: (requests / limit.requests) * limit.windowMs,
  };
}

/** Numbers from 0 to 1 (the multiplicative generator of Park and Miller, 1988). */
function seeded(): () => number {
  let state = 20_261_130;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}
