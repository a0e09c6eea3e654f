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
