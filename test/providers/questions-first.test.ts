import { expect, test } from "vitest";
import { Limiter } from "../../src/providers/traffic/limiter.ts";

const never = new AbortController().signal;

test("A question is sent before the rows that wait already, and questions in their order", async () => {
  const limiter = new Limiter({ maxConcurrency: 1, backoffMs: 1, maxPauseMs: 1 });
  const sent: string[] = [];
  const answers = new Map<string, () => void>();
  const send = (name: string, isUrgent: boolean): Promise<void> =>
    limiter.run(
      { tokens: 1, turn: { purpose: isUrgent ? "question" : "change", source: "s", weight: 1 } },
      never,
      () =>
        new Promise<void>((resolve) => {
          sent.push(name);
          answers.set(name, resolve);
        }),
    );
  const all = [
    send("row 1", false),
    send("row 2", false),
    send("row 3", false),
    send("question 1", true),
    send("question 2", true),
  ];
  for (const [i, expected] of ["row 1", "question 1", "question 2", "row 2", "row 3"].entries()) {
    await expect.poll(() => sent[i]).toBe(expected);
    answers.get(expected)?.();
  }
  await Promise.all(all);
});
