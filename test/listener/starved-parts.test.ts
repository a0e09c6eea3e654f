import { expect, onTestFinished, test, vi } from "vitest";
import { StarvedParts } from "../../src/listener/starved-parts.ts";

test("A part that is refused a connection counts as starved until it has one, or asks for none any more", () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  onTestFinished(() => void vi.useRealTimers());
  const starved = new StarvedParts<"batches" | "listener">();
  expect(starved.isAny).toBe(false);
  starved.set("batches", true);
  starved.set("listener", true);
  starved.set("listener", false);
  expect(starved.isAny).toBe(true);
  vi.advanceTimersByTime(9_000);
  starved.set("batches", true);
  vi.advanceTimersByTime(9_000);
  expect(starved.isAny).toBe(true);
  vi.advanceTimersByTime(2_000);
  expect(starved.isAny).toBe(false);
});
