import { expect, test } from "vitest";
import { parseJson } from "../../src/providers/parse-json.ts";

const vector = "AACAPw".repeat(200);
const embeddings = {
  data: [0, 1, 2].map((index) => ({ index, embedding: vector })),
  model: "m",
  usage: { total_tokens: 9 },
};

test.each<[string, unknown]>([
  ["vectors in base64", embeddings],
  ["vectors as numbers", { data: [{ index: 0, embedding: Array.from({ length: 100 }, (_, i) => i / 7) }] }],
  ["vectors whose base64 is escaped", { ...embeddings, note: "a\\/b" }],
  ["a model with a sign in its name", { ...embeddings, model: "@cf/baai/bge-m3" }],
  ["the mark that stands for a string", { ...embeddings, model: "\u007f0" }],
  ["a quote within a long string", { ...embeddings, note: `${"x".repeat(300)}"}${"y".repeat(300)}` }],
  ["long strings that are not ASCII", { ...embeddings, note: "Ärztin 患者 🩺".repeat(50) }],
  ["a long string alone", vector],
  ["nothing long", { ok: true, none: null, some: [1, "two", {}] }],
  ["nothing", ""],
])("parseJson reads %s as JSON.parse does", (_, value) => {
  for (const written of [JSON.stringify(value), JSON.stringify(value, null, 2)]) {
    expect(parseJson(Buffer.from(written))).toEqual(JSON.parse(written));
    expect(parseJson(Buffer.from(`\ufeff${written}`))).toEqual(JSON.parse(written));
  }
});

test("parseJson finds no JSON in an answer that is cut anywhere", () => {
  const written = Buffer.from(JSON.stringify({ data: [{ embedding: vector }, { embedding: vector }] }));
  for (let length = 0; length < written.length; length++) {
    expect(parseJson(written.subarray(0, length)), `the first ${length} bytes`).toBeUndefined();
  }
});

test.each([
  ["HTML", "<html>busy</html>"],
  ["nothing", ""],
  ["a byte order mark alone", "\ufeff"],
  ["an object that is not closed", `{"a": "${vector}"`],
  ["an object with two strings for one key", `{"a": "${vector}" "b"}`],
])("parseJson finds no JSON in %s", (_, body) => {
  expect(parseJson(Buffer.from(body))).toBeUndefined();
});
