import { expect, onTestFinished, test, vi } from "vitest";
import { Cached } from "../../src/http/cached.ts";

test("A count that takes two seconds is made again twenty seconds later, however often the page asks for it", async () => {
  vi.useFakeTimers();
  onTestFinished(() => {
    vi.useRealTimers();
  });
  let counts = 0;
  const cached = new Cached(1_500, async () => {
    counts += 1;
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    return counts;
  });
  for (let second = 0; second < 22; second += 1) {
    void cached.get();
    await vi.advanceTimersByTimeAsync(1_000);
  }
  expect(counts).toBe(1);
  void cached.get();
  expect(counts).toBe(2);
});
