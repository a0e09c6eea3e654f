import { expect, test } from "vitest";
import { RateEstimator } from "../../src/providers/traffic/rate-estimator.ts";

const SETTINGS = { backoffMs: 100, maxPauseMs: 60_000 };

test("Where an answer says that no tokens are left, nothing is sent until they are there again, but for a pause at most", () => {
  const estimator = new RateEstimator(SETTINGS);
  const now = performance.now();
  estimator.hinted({ remainingTokens: 1, resetTokensMs: 5_000 }, 0, now);
  expect(estimator.startAt(0)).toBeLessThanOrEqual(now);
  estimator.hinted({ remainingTokens: 0, resetTokensMs: 5_000 }, 0, now);
  expect(estimator.startAt(0)).toBe(now + 5_000);
  estimator.hinted({ remainingTokens: 0, resetTokensMs: 3_600_000 }, 0, now);
  expect(estimator.startAt(0)).toBeGreaterThan(now + 50_000);
  expect(estimator.startAt(0)).toBeLessThanOrEqual(performance.now() + SETTINGS.maxPauseMs);
});

test("A provider that asks for hours is asked again after the longest pause", () => {
  const estimator = new RateEstimator(SETTINGS);
  const now = performance.now();
  estimator.refused(now, now, 3 * 3_600_000);
  expect(estimator.pausedUntil).toBe(now + SETTINGS.maxPauseMs);
});
