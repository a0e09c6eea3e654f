import { expect, test } from "vitest";
import { describeVerify } from "../../src/commands/describe-verify.ts";

const NOTHING = {
  source: "notes",
  model: "a model",
  sampled: 0,
  refused: 0,
  cosine: { lowest: 1, median: 1 },
  drifted: [],
  drifted_rows: 0,
  overlap: { searches: 0, mean: 1, lowest: 1 },
  ok: true,
};

test("A source without a vector is not called unchanged by `verify`, and has no figures", () => {
  const lines = describeVerify(NOTHING);
  expect(lines).toBe("notes: NOTHING TO COMPARE. No row has a vector, apart from those that are queued.");
});

test("A source without a text in chunks is not called unchanged by `verify`", () => {
  const lines = describeVerify({ source: "notes", sampled: 0, different: [], different_rows: 0, ok: true });
  expect(lines).toContain("notes: NOTHING TO COMPARE.");
});

test("A source whose vectors are as the model makes them is unchanged", () => {
  expect(describeVerify({ ...NOTHING, sampled: 3 })).toContain("notes: unchanged. 3 rows embedded again");
});
