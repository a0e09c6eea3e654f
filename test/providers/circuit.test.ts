import { expect, onTestFinished, test } from "vitest";
import { ProviderError } from "../../src/providers/provider-error.ts";
import { Circuit } from "../../src/providers/traffic/circuit.ts";

const SETTINGS = { failuresToProbe: 1, probeMs: 60_000, maxProbeMs: 60_000 };
const DOWN = new ProviderError("unavailable", "down");

test.each([
  ["opens", false],
  ["stays closed where another request was answered while the probe was under way", true],
])("A circuit whose probe fails %s", async (_what, isAnsweredMeanwhile) => {
  const circuit: Circuit = new Circuit(
    SETTINGS,
    async () => {
      // The clock has to move on: an answer of the same moment is not after the probe's start.
      const started = performance.now();
      while (performance.now() === started) await Promise.resolve();
      if (isAnsweredMeanwhile) circuit.succeeded();
      throw DOWN;
    },
    () => undefined,
  );
  onTestFinished(() => {
    circuit.close();
  });
  await circuit.failed(DOWN);
  expect(circuit.error).toBe(isAnsweredMeanwhile ? undefined : DOWN);
});
