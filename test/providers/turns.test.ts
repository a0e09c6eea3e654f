import { expect, test } from "vitest";
import { Limiter } from "../../src/providers/traffic/limiter.ts";
import type { Turn } from "../../src/providers/traffic/turn.ts";

const never = new AbortController().signal;
type Purpose = Turn["purpose"];

/** A provider of a few lanes that answers when it is told to, and whose starts are remembered in their order. */
function prepare(maxConcurrency = 1) {
  const limiter = new Limiter({ maxConcurrency, backoffMs: 1, maxPauseMs: 1 });
  const started: string[] = [];
  const answers: (() => void)[] = [];
  const send = (name: string, purpose: Purpose, source = "s", weight = 1): void => {
    const request = (): Promise<void> =>
      new Promise((resolve) => {
        started.push(name);
        answers.push(resolve);
      });
    void limiter.run({ tokens: 100, turn: { purpose, source, weight } }, never, request);
  };
  /** Answers the oldest request until so many have started. */
  const untilStarted = async (count: number): Promise<readonly string[]> => {
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      if (started.length >= count) return started.slice(0, count);
      answers.shift()?.();
    }
  };
  const answerAll = async (): Promise<void> => {
    for (const answer of answers.splice(0)) answer();
    await expect.poll(() => limiter.inFlight).toBe(0);
  };
  return { limiter, started, send, untilStarted, answerAll };
}

test("A question goes before a fresh change, that before a retry, that before a backfill, and that before a model change", async () => {
  const { send, untilStarted } = prepare();
  const purposes: Purpose[] = ["model change", "backfill", "retry", "change", "question"];
  send("first", "backfill");
  for (const purpose of purposes) send(purpose, purpose);
  expect(await untilStarted(6)).toEqual(["first", ...purposes.toReversed()]);
});

test("A flood of questions leaves one request in eight to what waits longest, so that nothing waits for ever", async () => {
  const { send, untilStarted } = prepare();
  send("first", "question");
  send("model change", "model change");
  for (let i = 0; i < 30; i++) send("question", "question");
  const started = await untilStarted(20);
  expect(started.indexOf("model change")).toBe(8);
});

test("One lane in sixteen stays free for questions and changes", async () => {
  const { limiter, started, send, untilStarted, answerAll } = prepare(16);
  // The lanes grow by one per success.
  for (let i = 0; i < 20; i++) send("warm", "question");
  await untilStarted(20);
  await answerAll();
  expect(limiter.concurrency).toBe(16);
  for (let i = 0; i < 40; i++) send("backfill", "backfill");
  await expect.poll(() => limiter.inFlight).toBe(15);
  send("question", "question");
  await expect.poll(() => started.at(-1)).toBe("question");
  send("backfill", "model change");
  expect(limiter.inFlight).toBe(16);
});

test("The lane that is kept free answers every question, also while the turn of a backfill without a lane has come", async () => {
  const { limiter, started, send, untilStarted, answerAll } = prepare(16);
  for (let i = 0; i < 20; i++) send("warm", "question");
  await untilStarted(20);
  await answerAll();
  const questions: (() => void)[] = [];
  for (let i = 0; i < 20; i++) send("backfill", "backfill");
  await expect.poll(() => limiter.inFlight).toBe(15);
  const turn = { purpose: "question", source: "s", weight: 1 } as const;
  for (let i = 0; i < 20; i++)
    void limiter.run(
      { tokens: 1, turn },
      never,
      () => new Promise<void>((resolve) => questions.push(resolve)),
    );
  // No request of the backfill is answered meanwhile.
  for (let i = 0; i < 20; i++) {
    await expect.poll(() => questions.length).toBe(i + 1);
    questions[i]?.();
  }
  // The turn that the backfill could not use is not lost.
  await expect.poll(() => limiter.inFlight).toBe(15);
  const before = started.length;
  send("question", "question");
  send("question", "question");
  await untilStarted(before + 2);
  expect(started.slice(before)).toEqual(["question", "backfill"]);
});

test("One lane: a source's flood delays another's single change by one request, and weights share the lane", async () => {
  const { send, untilStarted } = prepare();
  for (let i = 0; i < 20; i++) send("flood", "change", "flooding");
  expect(await untilStarted(5)).toEqual(Array.from({ length: 5 }, () => "flood"));
  send("single", "change", "quiet");
  expect((await untilStarted(6)).at(-1)).toBe("single");

  const weighted = prepare();
  for (let i = 0; i < 60; i++) weighted.send("heavy", "backfill", "heavy", 2);
  for (let i = 0; i < 60; i++) weighted.send("light", "backfill", "light", 1);
  const started = await weighted.untilStarted(60);
  expect(started.filter((name) => name === "heavy").length).toBeCloseTo(40, -1);
});
