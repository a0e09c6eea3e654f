import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { Deadline } from "../../src/timing/deadline.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

test.each([["a parent", new AbortController().signal] as const, ["no parent", undefined] as const])(
  "A deadline with %s comes although memory is collected meanwhile",
  async (_, parent) => {
    const { signal } = new Deadline(parent, 300);
    await expect.poll(() => (collectGarbage(), signal.aborted), { timeout: 20_000, interval: 20 }).toBe(true);
    expect(signal.reason).toMatchObject({ name: "TimeoutError" });
  },
);
