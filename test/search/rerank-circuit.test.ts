import { expect, test } from "vitest";
import { RerankCircuit } from "../../src/providers/rerank/rerank-circuit.ts";
import { RerankError, type RerankFailure } from "../../src/providers/rerank/rerank-error.ts";

function circuit() {
  const clock = { now: 0, asked: 0 };
  const on = new RerankCircuit(() => clock.now);
  const ask = (failure?: RerankFailure): Promise<string> =>
    on
      .run("the reranker", () => {
        clock.asked++;
        return failure === undefined
          ? Promise.resolve("scores")
          : Promise.reject(new RerankError(failure, "down"));
      })
      .catch((error: unknown) => (error as RerankError).failure);
  return { clock, on, ask };
}

test("A reranker that failed three times in a row is left out, for longer after each trial, until one is answered", async () => {
  const { clock, ask } = circuit();
  for (const failure of ["late", "unavailable"] as const) await ask(failure);
  await ask();
  for (const failure of ["late", "malformed", "setup"] as const) expect(await ask(failure)).toBe(failure);
  expect(clock.asked).toBe(6);
  for (const pause of [5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]) {
    clock.now += pause - 1;
    expect(await ask()).toBe("resting");
    clock.now += 1;
    expect(await ask("unavailable")).toBe("unavailable");
  }
  clock.now += 300_000;
  expect(await ask()).toBe("scores");
  expect(await ask("late")).toBe("late");
  expect(await ask()).toBe("scores");
});

test("Refused texts leave no reranker out, and requests that end together count once", async () => {
  const { clock, on, ask } = circuit();
  for (let i = 0; i < 5; i++) expect(await ask("refused")).toBe("refused");
  await Promise.all(Array.from({ length: 20 }, () => ask("unavailable")));
  expect(await ask()).toBe("resting");
  clock.now = 5_000;
  // One search tries it; the others do not wait for it.
  let answer: (scores: string) => void = () => undefined;
  const trial = on.run("the reranker", () => new Promise<string>((resolve) => (answer = resolve)));
  expect(await ask()).toBe("resting");
  answer("scores");
  await trial;
  expect(await ask()).toBe("scores");
});
