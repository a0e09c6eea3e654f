import { expect, onTestFinished, test, vi } from "vitest";
import { Events } from "../../src/events.ts";
import { History } from "../../src/http/history.ts";

test("The charts of a page sample nothing while their listener sleeps, and go on when it wakes", async () => {
  vi.useFakeTimers();
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const events = new Events();
  const sample = vi.fn(() => Promise.resolve([]));
  const history = new History(events, sample);
  history.start();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(sample).toHaveBeenCalledTimes(3);
  events.emit("asleep");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(sample).toHaveBeenCalledTimes(3);
  events.emit("awake");
  events.emit("awake");
  await vi.advanceTimersByTimeAsync(10_000);
  expect(sample).toHaveBeenCalledTimes(3 + 3);
  history.stop();
  events.emit("awake");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(sample).toHaveBeenCalledTimes(3 + 3);
});
