import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { describe, expect, onTestFinished, test } from "vitest";
import { complaintOf } from "../../src/providers/complaint.ts";
import { classifyAnswer } from "../../src/providers/classify.ts";
import { openProviderWithoutProbe } from "../../src/providers/provider-stack.ts";
import { RetryingProvider } from "../../src/providers/retrying-provider.ts";
import { embedWithBisection } from "../../src/providers/isolate/bisect.ts";
import { pack } from "../../src/providers/isolate/pack.ts";
import { estimateTokens } from "../../src/providers/token-count.ts";
import { oracleVector } from "../support/oracle-vector.ts";
import { itemsOf, startSpelledProvider, type Sent, type SpelledAnswer } from "../support/spelled-provider.ts";

const DIMENSIONS = 8;
const TEXTS = ["one", "two", "three"];
const never = new AbortController().signal;

async function provider(answer: (sent: Sent) => SpelledAnswer) {
  const server = await startSpelledProvider(answer);
  onTestFinished(() => server.close());
  const opened = openProviderWithoutProbe({
    backend: "llm_api",
    model: "m",
    baseUrl: server.url,
    timeoutMs: 20_000,
    dimensions: DIMENSIONS,
  });
  onTestFinished(() => opened.close());
  return { requests: server.requests, opened };
}

const right = ({ texts }: Sent): unknown => ({
  data: itemsOf(texts, DIMENSIONS),
  usage: { total_tokens: 9 },
});

async function expectRight(answer: (sent: Sent) => SpelledAnswer) {
  const { opened, requests } = await provider(answer);
  const { vectors, tokens, areTokensEstimated } = await opened.embed(TEXTS, "document", never);
  for (const [i, text] of TEXTS.entries()) expect(vectors.at(i)).toEqual(oracleVector(text, DIMENSIONS));
  return { opened, requests, tokens, areTokensEstimated };
}

describe("A right answer is understood in every shape", () => {
  interface Item {
    index?: unknown;
    embedding: number[];
  }
  test.each<[string, (item: Item) => Item]>([
    [
      "leaves the index of the first out",
      ({ index, embedding }) => (index === 0 ? { embedding } : { index, embedding }),
    ],
    ["has no index at all", ({ embedding }) => ({ embedding })],
    ["has null for each index", ({ embedding }) => ({ index: null, embedding })],
    ["has its indexes as strings", ({ index, embedding }) => ({ index: String(index), embedding })],
  ])("An answer that %s is in the order of the texts", async (_shape, change) => {
    await expectRight(({ texts }) => ({ body: { data: itemsOf(texts, DIMENSIONS).map(change) } }));
  });

  test("An answer in gzip that was not asked for is unpacked, with and without a header that says so", async () => {
    for (const headers of [{}, { "content-encoding": "gzip" }]) {
      await expectRight((sent) => ({ headers, body: gzipSync(JSON.stringify(right(sent))) }));
    }
  });

  test.each([
    ["deflate", deflateSync],
    ["deflate", deflateRawSync],
    ["br", brotliCompressSync],
    ["BR", brotliCompressSync],
  ])("An answer packed with %s is unpacked", async (encoding, pack) => {
    await expectRight((sent) => ({
      headers: { "content-encoding": encoding },
      body: pack(JSON.stringify(right(sent))),
    }));
  });

  test.each([true, [0], "1.0", -1, 0.5, 7, {}])(
    "An answer in which an index is %j is not taken",
    async (index) => {
      const { opened } = await provider(({ texts }) => {
        const [first, ...rest] = itemsOf(texts, DIMENSIONS);
        return { body: { data: [{ ...first, index }, ...rest] } };
      });
      await expect(opened.embed(TEXTS, "document", never)).rejects.toMatchObject({
        kind: "unavailable",
        message: /whose index is/,
      });
    },
  );

  test.each<[string, SpelledAnswer]>([
    ["answers 200 without vectors", { body: { data: [] } }],
    ["answers 200 with an error", { body: { error: { message: "no route", code: 404 } } }],
    ["breaks down", { status: 500, body: { error: { message: "UnsupportedParamsError: encoding_format" } } }],
    ["refuses it", { status: 422, body: { detail: [{ msg: "extra fields not permitted" }] } }],
  ])("A server that %s when base64 is asked for is asked for floats from then on", async (_what, refusal) => {
    const { opened, requests } = await expectRight((sent) =>
      sent.isBase64 ? refusal : { body: right(sent) },
    );
    await opened.embed(TEXTS, "document", never);
    expect(requests.map(({ isBase64 }) => isBase64)).toEqual([true, false, false]);
  });

  test.each([
    undefined,
    { total_tokens: -1 },
    { total_tokens: 1.5 },
    { total_tokens: 1e300 },
    { total_tokens: "9" },
  ])("Tokens are estimated where the usage is %j", async (usage) => {
    const { tokens, areTokensEstimated } = await expectRight(({ texts }) => ({
      body: { data: itemsOf(texts, DIMENSIONS), usage },
    }));
    expect({ tokens, areTokensEstimated }).toEqual({
      tokens: estimateTokens(TEXTS),
      areTokensEstimated: true,
    });
    expect(tokens).toBe(4);
  });
});

describe("A vector without a direction is no vector", () => {
  test.each([0, 1e-30, 1e30])("A vector of which every float is %d is not taken", async (float) => {
    const { opened } = await provider(({ texts }) => ({
      body: {
        data: itemsOf(texts, DIMENSIONS).map(({ index }) => ({
          index,
          embedding: Array(DIMENSIONS).fill(float),
        })),
      },
    }));
    const message = float === 0 ? /all zeros/ : /out of range/;
    await expect(opened.embed(TEXTS, "document", never)).rejects.toMatchObject({
      kind: "unavailable",
      message,
    });
  });
});

describe("An error is understood in every shape", () => {
  test.each<[unknown, string]>([
    [{ error: { message: "outer" } }, "outer"],
    [
      [{ error: { code: 400, message: "API key not valid", status: "INVALID_ARGUMENT" } }],
      "API key not valid",
    ],
    [{ detail: [{ loc: ["body"], msg: "field required", type: "missing" }] }, "field required"],
    [{ errors: [{ message: "first" }] }, "first"],
    [{ errors: ["only words"] }, "only words"],
    [{ error: { error: { message: "deep" } } }, "deep"],
    [{ error: { message: '{"error":{"message":"as JSON"}}' } }, "as JSON"],
    [
      { error: { message: "Provider error", metadata: { raw: '{"detail":"too big"}' } } },
      "Provider error: too big",
    ],
    ["plain words", "plain words"],
    [{}, ""],
  ])("The message of %j is %j", (body, message) => {
    expect(complaintOf(body).message).toBe(message);
  });

  test("A wait in the body of an error is kept to", () => {
    const body = [{ error: { code: 429, details: [{ retryDelay: "7s" }], status: "RESOURCE_EXHAUSTED" } }];
    expect(complaintOf(body)).toMatchObject({ retryAfterMs: 7000, status: 429, code: "RESOURCE_EXHAUSTED" });
  });

  const context = {
    address: "https://api.example.com/v1/embeddings",
    model: "m",
    settings: { address: "OPENAI_BASE_URL", key: "OPENAI_API_KEY", model: "OPENAI_EMBED_MODEL" },
    secrets: [],
  };
  const classified = (status: number, message: string, texts: readonly string[], code = "") =>
    classifyAnswer(status, {}, { message, code, param: "" }, texts, context);

  test.each([
    "Input length 513 exceeds maximum allowed token size 512",
    "Range of input length should be [1, 8192]",
    "This model supports up to 2048 tokens",
    "prompt token count of 9001 exceeds the limit of 8192",
    "input token count is 9001 but the model supports up to 8192",
    "Input text exceeds maximum length of 8192 tokens",
  ])("A text is too long where the provider says: %s", (message) => {
    expect(classified(400, message, ["a"])).toMatchObject({ kind: "row", tooLong: true });
  });

  test.each([
    ["Too many tokens in batch. Max 1000 tokens", { unit: "characters" }],
    ["Requested too many tokens, max 300000 tokens per request", { unit: "characters" }],
    ["Batch size too large (code 7)", { unit: "inputs", most: undefined }],
    ["batch size is invalid, it should not be larger than 10.: input.contents", { unit: "inputs", most: 10 }],
    ["batch size 64 > maximum allowed batch size 32", { unit: "inputs", most: 32 }],
    ["at most 20 requests can be in one batch", { unit: "inputs", most: 20 }],
  ])("A request is too big, and no text too long, where the provider says: %s", (message, tooMuch) => {
    const texts = Array.from({ length: 64 }, (_, i) => `text ${i}`);
    expect(classified(400, message, texts)).toMatchObject({ kind: "row", tooLong: false, tooMuch });
  });

  test.each([
    "The length of the input exceeds the maximum of 512 tokens",
    "number of input tokens 700 exceeds 512",
    "input (600 tokens) is too large to process. increase the physical batch size (current batch size: 512)",
  ])("A text of several is too long, and the request not too big, where the provider says: %s", (message) => {
    expect(classified(400, message, ["a", "b", "c"])).toMatchObject({ tooLong: true, tooMuch: undefined });
  });

  test.each([
    [503, "Request rate exceeds the limit, slow down"],
    [500, "Your usage exceeds your plan's context limit"],
    [429, "Rate limit: too many tokens per minute"],
  ])("No text is too long where the provider answers %d: %s", (status, message) => {
    expect(classified(status, message, ["a"])).toMatchObject({ tooLong: false });
    expect(classified(status, message, ["a"]).kind).not.toBe("row");
  });

  test("A code that stands in a text is not shown, and what repeats the request is not looked at", () => {
    const text = '{"type":"HIV-positive","status":429}';
    const complaint = complaintOf({ message: "bad input", input: text, code: "HIV-positive" });
    expect(complaint).toMatchObject({ message: "bad input", status: undefined });
    expect(classifyAnswer(400, {}, complaint, [text], context).message).not.toContain("HIV");
    expect(complaintOf({ message: "bad", detail: text }).message).toBe("bad");
  });

  test.each([
    [400, "API key not valid. Please pass a valid API key.", "", "setup", /OPENAI_API_KEY/],
    [400, "API key expired. Please renew the API key.", "", "setup", /OPENAI_API_KEY/],
    [403, "balance is not enough", "AUTHZ_INSUFFICIENT_BALANCE", "setup", /plan and billing/],
    [400, "Too many requests", "ThrottlingException", "throttled", /lower rate/],
  ] as const)("%d with %j %s is %s", (status, message, code, kind, advice) => {
    expect(classified(status, message, ["a"], code)).toMatchObject({ kind, message: advice });
  });
});

describe("What a provider allows is learned and kept", () => {
  /** Sends 640 texts in batches of 64 over four lanes, packed by what is known of the limits. */
  async function requestsFor(answer: (sent: Sent) => SpelledAnswer, rows = 640): Promise<number> {
    const { opened, requests } = await provider(answer);
    const retrying = new RetryingProvider(opened, { maxConcurrency: 4 });
    const texts = Array.from({ length: rows }, (_, i) => `the text of row ${1000 + i}`);
    let embedded = 0;
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < texts.length) {
        const { inputs, characters } = retrying.limits;
        const [batch = []] = pack(texts.slice(next), (text) => text, {
          inputs: Math.min(inputs, 64),
          characters,
        });
        next += batch.length;
        await embedWithBisection(retrying, batch, never, (result) => {
          expect(result.kind).toBe("embedded");
          if (result.kind === "embedded") embedded += result.indices.length;
        });
      }
    };
    await Promise.all([lane(), lane(), lane(), lane()]);
    expect(embedded).toBe(rows);
    return requests.length;
  }

  test("A limit of ten inputs that the provider names costs 75 requests for 640 rows", async () => {
    const refusal = {
      status: 400,
      body: { message: "batch size is invalid, it should not be larger than 10." },
    };
    expect(
      await requestsFor((sent) => (sent.texts.length > 10 ? refusal : { body: right(sent) })),
    ).toBeLessThanOrEqual(75);
  });

  test("A limit of inputs that no word names is found by halving, once", async () => {
    const refusal = { status: 413, body: {} };
    expect(
      await requestsFor((sent) => (sent.texts.length > 10 ? refusal : { body: right(sent) })),
    ).toBeLessThanOrEqual(120);
  });

  test("A limit of tokens in a request is found by halving, once", async () => {
    const refusal = { status: 400, body: { error: { message: "Too many tokens in batch" } } };
    const size = ({ texts }: Sent): number => texts.join("").length;
    expect(
      await requestsFor((sent) => (size(sent) > 400 ? refusal : { body: right(sent) }), 256),
    ).toBeLessThanOrEqual(40);
  });

  test.each<[string, SpelledAnswer, (sent: Sent) => boolean]>([
    [
      "tokens",
      { status: 400, body: { error: { message: "Too many tokens in batch" } } },
      ({ texts }) => texts.length > 1 && texts.join("").length > 10_000,
    ],
    ["bytes", { status: 413, body: {} }, ({ texts }) => texts.join("").length > 10_000],
  ])(
    "A limit of %s that long texts reach does not make short texts travel alone",
    async (_unit, refusal, isTooMuch) => {
      const { opened, requests } = await provider((sent) =>
        isTooMuch(sent) ? refusal : { body: right(sent) },
      );
      const retrying = new RetryingProvider(opened);
      const long = ["short", "b".repeat(6_000), "c".repeat(6_000)];
      await embedWithBisection(retrying, long, never, ({ kind }) => {
        expect(kind).toBe("embedded");
      });
      expect(retrying.limits.inputs).toBe(2048);
      expect(retrying.limits.characters).toBeGreaterThan(5_000);
      const before = requests.length;
      const short = Array.from({ length: 64 }, (_, i) => `short ${i}`);
      await embedWithBisection(retrying, short, never, () => undefined);
      expect(requests.length - before).toBe(1);
    },
  );

  test("Throttling within a 200 slows requests down as a 429 does", async () => {
    const { opened, requests } = await provider(() => ({
      body: { error: { code: 429, message: "slow down" } },
    }));
    const retrying = new RetryingProvider(opened);
    const aborting = new AbortController();
    const call = retrying.embed(["a"], "document", aborting.signal).catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    aborting.abort();
    await call;
    expect(requests.length).toBeLessThanOrEqual(5);
  });
});
