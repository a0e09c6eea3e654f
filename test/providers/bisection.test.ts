import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { embedWithBisection } from "../../src/providers/isolate/bisect.ts";
import type { EmbedResult } from "../../src/providers/isolate/embed-result.ts";
import { PROBE_TEXT } from "../../src/providers/isolate/probe-text.ts";
import { ProviderError } from "../../src/providers/provider-error.ts";
import { oracleVector } from "../support/oracle-vector.ts";
import { refusal, ScriptedProvider, unavailable } from "../support/scripted-provider.ts";

const never = new AbortController().signal;

function poisoned(isPoison: (text: string) => boolean): ScriptedProvider {
  return new ScriptedProvider((texts) => {
    if (texts.some(isPoison)) throw refusal();
  });
}

async function isolate(
  provider: ScriptedProvider,
  texts: readonly string[],
  options?: Parameters<typeof embedWithBisection>[4],
): Promise<EmbedResult[]> {
  const settled: EmbedResult[] = [];
  await embedWithBisection(provider, texts, never, (part) => void settled.push(part), options);
  return settled;
}

const refusedOf = (settled: readonly EmbedResult[]): number[] =>
  settled.flatMap((part) => (part.kind === "refused" ? [part.index] : [])).sort((a, b) => a - b);

describe("A batch with refused texts is divided until they stand alone", () => {
  test("A batch reports every text once, refused or with its own vector, in few requests", async () => {
    const batches = fc
      .integer({ min: 2, max: 130 })
      .chain((n) => fc.tuple(fc.constant(n), fc.uniqueArray(fc.nat({ max: n - 1 }), { maxLength: 6 })));
    await fc.assert(
      fc.asyncProperty(batches, async ([n, offenders]) => {
        const texts = Array.from({ length: n }, (_, i) => `text ${i}`);
        const poison = new Set(offenders.map((i) => texts[i]));
        const provider = poisoned((text) => poison.has(text));
        const settled = await isolate(provider, texts);
        expect(refusedOf(settled)).toEqual(offenders.toSorted((a, b) => a - b));
        const seen = new Set(offenders);
        for (const part of settled) {
          if (part.kind === "refused") continue;
          for (const [i, index] of part.indices.entries()) {
            expect(seen.has(index)).toBe(false);
            seen.add(index);
            expect(part.vectors.at(i)).toEqual(oracleVector(texts[index] ?? "", provider.dimensions));
          }
        }
        expect(seen.size).toBe(n);
        expect(provider.calls.length).toBeLessThanOrEqual(
          2 * offenders.length * Math.log2(n) + offenders.length + 1,
        );
      }),
    );
  });

  test("A batch without refused texts is one request", async () => {
    const provider = new ScriptedProvider();
    await isolate(provider, ["a", "b", "c"]);
    expect(provider.calls).toEqual([["a", "b", "c"]]);
  });

  test("Vectors are delivered before the last refused text is found", async () => {
    const provider = poisoned((text) => text === "x");
    const order: string[] = [];
    provider.script = (texts) => {
      order.push(`asked ${texts.join("")}`);
      if (texts.includes("x")) throw refusal();
    };
    await embedWithBisection(provider, ["a", "b", "c", "x"], never, (part) => {
      order.push(part.kind === "refused" ? `refused ${part.index}` : `stored ${part.indices.join("")}`);
    });
    expect(order).toEqual([
      "asked abcx",
      "asked ab",
      "stored 01",
      "asked c",
      "stored 2",
      "asked x",
      "asked x",
      "refused 3",
    ]);
  });

  test("No text is reported when everything is refused, even a harmless text", async () => {
    const provider = new ScriptedProvider(() => {
      throw refusal();
    });
    const settled: EmbedResult[] = [];
    const call = embedWithBisection(provider, ["a", "b"], never, (part) => void settled.push(part));
    await expect(call).rejects.toMatchObject({ kind: "setup" });
    expect(settled).toEqual([]);
  });

  test("Every text is reported when only the harmless text is accepted", async () => {
    const provider = poisoned((text) => text !== PROBE_TEXT);
    expect(refusedOf(await isolate(provider, ["a", "b", "c"]))).toEqual([0, 1, 2]);
  });

  test("No text is reported when the provider refuses a batch for its size", async () => {
    const provider = new ScriptedProvider((texts) => {
      if (texts.length > 3)
        throw new ProviderError("row", "too many", { status: 413, tooMuch: { unit: "inputs" } });
    });
    const settled = await isolate(
      provider,
      Array.from({ length: 16 }, (_, i) => `text ${i}`),
    );
    expect(refusedOf(settled)).toEqual([]);
    expect(settled.flatMap((part) => (part.kind === "embedded" ? part.indices : []))).toHaveLength(16);
    // Nothing is known of the second half when the first was small enough, so it is sent as one request.
    expect(provider.calls.every((texts) => texts.length > 1)).toBe(true);
  });

  test("A part of a batch is stored before the next part is sent", async () => {
    const provider = poisoned((text) => text === "x");
    let isStoring = false;
    provider.script = (texts) => {
      expect(isStoring).toBe(false);
      if (texts.includes("x")) throw refusal();
    };
    await embedWithBisection(provider, ["a", "b", "c", "x"], never, async (part) => {
      isStoring = part.kind === "embedded";
      await setImmediate();
      isStoring = false;
    });
  });

  test("Only texts that stand alone get all of the provider's retries", async () => {
    const asked: [texts: number, attempts: number | undefined][] = [];
    const provider = new ScriptedProvider((texts, _call, options) => {
      asked.push([texts.length, options?.attempts]);
      if (texts.includes("x")) throw refusal();
    });
    await isolate(provider, ["a", "b", "c", "x"]);
    expect(asked).toEqual([
      [4, 1],
      [2, 1],
      [1, 1],
      [1, 1],
      [1, undefined],
    ]);
  });

  test("Vectors that arrived are kept when a later request fails for another reason than its texts", async () => {
    const provider = poisoned((text) => text === "x");
    provider.script = (texts, call) => {
      if (texts.includes("x")) throw refusal();
      if (call === 4) throw unavailable();
    };
    const settled: EmbedResult[] = [];
    const call = embedWithBisection(provider, ["a", "b", "x", "c"], never, (part) => void settled.push(part));
    await expect(call).rejects.toMatchObject({ kind: "unavailable" });
    // The refused text was to be sent again.
    expect(settled).toMatchObject([{ kind: "embedded", indices: [0, 1] }]);
  });
});

describe("A text that is too long fails or is cut, and its batch is embedded", () => {
  const long = "long ".repeat(100);
  function limited(): ScriptedProvider {
    return new ScriptedProvider((texts) => {
      if (texts.some((text) => text.length > 200)) {
        throw new ProviderError("row", "maximum context length", { status: 400, tooLong: true });
      }
    });
  }

  test("A text that is too long fails alone", async () => {
    expect(refusedOf(await isolate(limited(), ["a", long, "b"], { onTooLong: "fail" }))).toEqual([1]);
  });

  test("A text that is too long is cut until the model accepts it, and is reported as cut", async () => {
    const settled = await isolate(limited(), ["a", long, "b"], { onTooLong: "truncate" });
    expect(refusedOf(settled)).toEqual([]);
    expect(settled.flatMap((part) => (part.kind === "embedded" ? part.truncated : []))).toEqual([1]);
  });

  test("A text over a known limit is refused or cut before it is sent", async () => {
    const provider = limited();
    provider.limits = { ...provider.limits, textCharacters: 150 };
    const failed = await isolate(provider, ["a", long], { onTooLong: "fail" });
    expect(refusedOf(failed)).toEqual([1]);
    const cut = await isolate(provider, ["a", long], { onTooLong: "truncate" });
    expect(cut).toMatchObject([{ kind: "embedded", indices: [0, 1], truncated: [1] }]);
    expect(provider.calls.map((texts) => texts.length)).toEqual([1, 2]);
  });
});

test("A text that a server breaks down at as too long is sent once more, and is refused only if that fails too", async () => {
  const breakdown = new ProviderError("row", "broke down", { status: 500, tooLong: true });
  const isRefused = async (failures: number): Promise<boolean> => {
    let left = failures;
    const provider = new ScriptedProvider((texts) => {
      if (texts.includes("a long text") && left-- > 0) throw breakdown;
    });
    return refusedOf(await isolate(provider, ["short", "a long text"])).length > 0;
  };
  expect(await isRefused(2)).toBe(false);
  expect(await isRefused(3)).toBe(true);
});
