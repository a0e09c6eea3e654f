import { expect, test } from "vitest";
import { asJson } from "../../src/search/as-json.ts";

/** Lists in one another. */
function nested(levels: number): unknown {
  return JSON.parse("[".repeat(levels) + "]".repeat(levels));
}

test("An object is refused if JSON would leave something of it out", () => {
  expect(asJson({ a: 1, [Symbol("tenant")]: 2 })).toBeUndefined();
  expect(asJson([Object.defineProperty({ a: 1 }, "tenant", { value: 2 })])).toBeUndefined();
});

test("Lists and objects are kept as JSON up to a hundred levels; deeper ones are refused, however deep they are", () => {
  expect(asJson({ a: [1, "x", null, { b: true }] })).toBe('{"a":[1,"x",null,{"b":true}]}');
  expect(asJson(nested(100))).toBe("[".repeat(100) + "]".repeat(100));
  expect(asJson(nested(101))).toBeUndefined();
  expect(asJson(nested(5_000))).toBeUndefined();
});
