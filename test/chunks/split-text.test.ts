import fc from "fast-check";
import { expect, test } from "vitest";
import { chunkSettings } from "../../src/chunks/chunk-settings.ts";
import { splitText } from "../../src/chunks/split-text.ts";

const CHARACTERS = { chunk: 40, overlap: 10, unit: "characters" } as const;

/** Prose, lists, blanks, other scripts, emoji of several code points, and texts without a place to cut at. */
const anyText = fc
  .array(
    fc.oneof(
      fc.string({ unit: "grapheme", maxLength: 60 }),
      fc.stringMatching(/^[a-z]{1,12}$/).map((word) => `${word} `),
      fc.constantFrom(
        ". ",
        "\n",
        "\n\n",
        "  ",
        "\r\n",
        "? ",
        "👩‍👩‍👧‍👦",
        "é",
        "患者は胸痛を訴えた。",
        "x".repeat(90),
        "🙂".repeat(50),
      ),
    ),
    { maxLength: 60 },
  )
  .map((parts) => parts.join(""));

const anySettings = fc
  .tuple(
    fc.integer({ min: 20, max: 120 }),
    fc.double({ min: 0, max: 0.5, noNaN: true }),
    fc.constantFrom("characters", "tokens"),
  )
  .map(([chunk, share, unit]) => chunkSettings({ chunk, overlap: Math.floor(chunk * share), unit }));

test("White space at the end of a text is no chunk of its own, even together with the overlap", () => {
  const passages = splitText("a aaaaa   \n\n", { chunk: 20, overlap: 9, unit: "characters" });
  expect(passages).toEqual([{ start: 0, end: 7, text: "a aaaaa" }]);
});

test("Chunks carry their positions, cover the text except for white space, and are as short as asked", () => {
  fc.assert(
    fc.property(anyText, anySettings, (text, settings) => {
      const points = Array.from(text);
      const passages = splitText(text, settings);
      let covered = 0;
      let startBefore = -1;
      for (const { start, end, text: passage } of passages) {
        expect(points.slice(start, end).join("")).toBe(passage);
        expect(passage).toBe(passage.trim());
        expect(passage).not.toBe("");
        expect(passage).not.toMatch(/\p{Surrogate}/u);
        // The text between this chunk and the one before is blank, and what they share is within the overlap.
        expect(points.slice(covered, Math.max(covered, start)).join("").trim()).toBe("");
        expect(length(points.slice(start, Math.max(start, covered)), settings.unit)).toBeLessThanOrEqual(
          settings.overlap,
        );
        expect(length(points.slice(start, end), settings.unit)).toBeLessThanOrEqual(settings.chunk);
        expect(end).toBeGreaterThan(covered);
        expect(start).toBeGreaterThanOrEqual(startBefore);
        [covered, startBefore] = [end, start];
      }
      expect(points.slice(covered).join("").trim()).toBe("");
    }),
    { numRuns: 300 },
  );
});

function length(points: readonly string[], unit: "characters" | "tokens"): number {
  return unit === "characters" ? points.length : Buffer.byteLength(points.join("")) / 3;
}

test("A text is cut at the ends of sentences where possible, and not after an abbreviation", () => {
  const text =
    "Dr. Smith saw the patient today. He was well and went home. He comes back on Monday for tests.";
  expect(
    splitText(text, { chunk: 60, overlap: 0, unit: "characters" }).map((passage) => passage.text),
  ).toEqual([
    "Dr. Smith saw the patient today.",
    "He was well and went home.",
    "He comes back on Monday for tests.",
  ]);
});

test("A text is cut at the end of a paragraph in preference to the end of a sentence", () => {
  const text = `${"One two three. ".repeat(3)}\n\nNext. ${"Four five six. ".repeat(3)}`;
  expect(splitText(text, { chunk: 70, overlap: 0, unit: "characters" })[1]?.text).toMatch(/^Next\./);
});

test("A sentence longer than a chunk is cut between words, and the next chunk begins with words of the last", () => {
  const text = Array.from({ length: 60 }, (_, i) => `word${i}`).join(" ");
  const passages = splitText(text, CHARACTERS);
  for (const [i, { text: passage, start }] of passages.entries()) {
    expect(passage).toMatch(/^word\d+( word\d+)*$/);
    if (i > 0) expect(start).toBeLessThan(passages[i - 1]?.end ?? 0);
  }
});

test("A blank text has no chunks", () => {
  expect(splitText("", CHARACTERS)).toEqual([]);
  expect(splitText(" \n\t ", CHARACTERS)).toEqual([]);
});

test("An edit anywhere in a long text changes few chunks", () => {
  const sentences = Array.from(
    { length: 600 },
    (_, i) => `Sentence ${i} says ${(i * 7919) % 1009} and then ${(i * 104729) % 977}.`,
  );
  const settings = chunkSettings({ chunk: 400 });
  const before = new Set(splitText(sentences.join(" "), settings).map(({ text }) => text));
  const changed = Array.from({ length: 60 }, (_, i) => {
    const edited = sentences.toSpliced(i * 10, 0, "Something else was found and noted here.").join(" ");
    return splitText(edited, settings).filter(({ text }) => !before.has(text)).length;
  });
  const mean = changed.reduce((sum, count) => sum + count, 0) / changed.length;
  expect(before.size).toBeGreaterThan(80);
  expect(mean).toBeLessThan(5);
  expect(Math.max(...changed)).toBeLessThan(20);
});

test.each([
  ["a megabyte of prose", "It was a long day and nothing more happened then. ".repeat(20_000)],
  ["a megabyte without a sentence's end", "word ".repeat(200_000)],
  ["a megabyte without a space", "x".repeat(1_000_000)],
  ["a megabyte of lines", "an item\n".repeat(125_000)],
])("A text of %s is cut to its end", (_, text) => {
  const passages = splitText(text, chunkSettings({ chunk: 800 }));
  expect(passages.at(-1)?.end).toBe(text.trimEnd().length);
  expect(passages.length).toBeGreaterThan(1_000);
});
