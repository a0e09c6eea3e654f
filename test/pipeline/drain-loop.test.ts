import { expect, onTestFinished, test, vi } from "vitest";
import { DrainLoop } from "../../src/pipeline/drain-loop.ts";

test("However often it is woken meanwhile, a loop whose drains each ask for a rest drains once after it", async () => {
  vi.useFakeTimers();
  onTestFinished(() => {
    vi.useRealTimers();
  });
  let drains = 0;
  const loop: DrainLoop = new DrainLoop({
    drain: () => {
      drains++;
      loop.restFor(1_000);
      return Promise.resolve();
    },
    onFailed: () => undefined,
    onDrained: () => undefined,
  });
  for (let second = 0; second < 3; second++) {
    for (let i = 0; i < 10; i++) {
      loop.wake();
      await loop.asleep();
    }
    expect(drains).toBe(second * 11 + 10);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(drains).toBe(second * 11 + 11);
  }
  loop.stop();
  expect(vi.getTimerCount()).toBe(0);
});
