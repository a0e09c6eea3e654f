import { expect, test } from "vitest";
import { asJson } from "../../src/search/as-json.ts";

/** Lists in one another. */
function nested(levels: number): unknown {
  return JSON.parse("[".repeat(levels) + "]".repeat(levels));
}

test("Lists and objects are kept as JSON up to a hundred levels; deeper ones are refused, however deep they are", () => {
  expect(asJson({ a: [1, "x", null, { b: true }] })).toBe('{"a":[1,"x",null,{"b":true}]}');
  expect(asJson(nested(100))).toBe("[".repeat(100) + "]".repeat(100));
  expect(asJson(nested(101))).toBeUndefined();
  expect(asJson(nested(5_000))).toBeUndefined();
});
