import type { ProviderConfig } from "./provider-config.ts";
import type { ProviderOverrides } from "./resolve-provider-settings.ts";
import { sourceSettings } from "./source-settings.ts";
import type { CircuitSettings } from "./traffic/circuit.ts";
import type { LimiterSettings } from "./traffic/limiter.ts";

export interface RetryPolicy extends LimiterSettings, CircuitSettings {
  /** Requests after the first, at most, before a failure is final (`EMBED_MAX_RETRIES`). */
  readonly maxRetries: number;
  /** The longest that one call waits, in ms, before its rows go back to pending; a request in flight ends first. */
  readonly maxWaitMs: number;
}

export const DEFAULT_POLICY: RetryPolicy = {
  maxRetries: 5,
  backoffMs: 500,
  maxPauseMs: 60_000,
  maxConcurrency: 4,
  failuresToProbe: 3,
  probeMs: 1_000,
  maxProbeMs: 30_000,
  maxWaitMs: 120_000,
};

/** The source's own limits, else the environment's. */
export function policyOf(
  config: ProviderConfig,
  overrides: ProviderOverrides,
): Partial<RetryPolicy> & Pick<RetryPolicy, "maxConcurrency"> {
  const own = sourceSettings(overrides.settings);
  const requestsPerMinute = own.requests_per_minute ?? config.EMBED_REQUESTS_PER_MINUTE;
  const tokensPerMinute = own.tokens_per_minute ?? config.EMBED_TOKENS_PER_MINUTE;
  return {
    maxRetries: config.EMBED_MAX_RETRIES,
    backoffMs: config.EMBED_BACKOFF_MS,
    maxConcurrency: own.concurrency ?? config.EMBED_MAX_CONCURRENCY,
    ...(requestsPerMinute === undefined ? {} : { requestsPerMinute }),
    ...(tokensPerMinute === undefined ? {} : { tokensPerMinute }),
  };
}
