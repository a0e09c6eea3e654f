import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { backoffMs } from "../../src/providers/traffic/backoff.ts";
import { packTexts } from "../../src/providers/isolate/pack.ts";

const texts = fc.array(fc.string({ maxLength: 30 }), { maxLength: 60 });
const limits = fc.record({
  inputs: fc.integer({ min: 1, max: 10 }),
  characters: fc.integer({ min: 1, max: 60 }),
  prefixCharacters: fc.integer({ min: 0, max: 20 }),
});

describe("Texts are packed into requests within the limits", () => {
  test("Every text is packed into exactly one request, equal texts once", () => {
    fc.assert(
      fc.property(texts, limits, (all, limit) => {
        const requests = packTexts(all, limit);
        const sent = requests.flatMap((request) => request.texts);
        expect(new Set(sent).size).toBe(sent.length);
        const back: string[] = [];
        for (const request of requests) {
          for (const [i, text] of request.texts.entries()) {
            for (const position of request.positions[i] ?? []) {
              expect(back[position]).toBeUndefined();
              back[position] = text;
            }
          }
        }
        expect(back).toEqual(all);
      }),
    );
  });

  test("Every packed request keeps both limits, the prefix of each text included, unless it is a single text over them", () => {
    fc.assert(
      fc.property(texts, limits, (all, limit) => {
        for (const request of packTexts(all, limit)) {
          expect(request.texts.length).toBeLessThanOrEqual(limit.inputs);
          const characters = request.texts.join("").length + request.texts.length * limit.prefixCharacters;
          if (request.texts.length > 1) expect(characters).toBeLessThanOrEqual(limit.characters);
        }
      }),
    );
  });

  test("A new request begins only when the next text would not fit", () => {
    fc.assert(
      fc.property(texts, limits, (all, limit) => {
        const requests = packTexts(all, limit);
        for (const [i, request] of requests.slice(0, -1).entries()) {
          const next = requests[i + 1]?.texts[0] ?? "";
          const characters =
            request.texts.join("").length + next.length + (request.texts.length + 1) * limit.prefixCharacters;
          expect(request.texts.length === limit.inputs || characters > limit.characters).toBe(true);
        }
      }),
    );
  });
});

describe("The backoff is random and bounded", () => {
  test("The backoff is any time up to a bound that doubles with each attempt and stops at the cap", () => {
    const numbers = fc.record({
      attempt: fc.nat({ max: 100 }),
      base: fc.integer({ min: 1, max: 5000 }),
      cap: fc.integer({ min: 1, max: 120_000 }),
      chance: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    });
    fc.assert(
      fc.property(numbers, ({ attempt, base, cap, chance }) => {
        const ms = backoffMs(attempt, base, cap, () => chance);
        const bound = Math.min(cap, base * 2 ** Math.min(attempt, 50));
        expect(ms).toBeGreaterThanOrEqual(0);
        expect(ms).toBeLessThanOrEqual(bound);
        expect(ms).toBeCloseTo(bound * chance, 6);
      }),
    );
  });
});
