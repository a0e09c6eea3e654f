import { describe, expect, onTestFinished, test } from "vitest";
import { classifyAnswer } from "../../src/providers/classify.ts";
import { complaintOf } from "../../src/providers/complaint.ts";
import { durationMs, rateHints, retryAfterMs } from "../../src/providers/traffic/rate-hints.ts";
import { openProviderWithoutProbe } from "../../src/providers/provider-stack.ts";
import { RetryingProvider } from "../../src/providers/retrying-provider.ts";
import { embedWithBisection } from "../../src/providers/isolate/bisect.ts";
import { itemsOf, startSpelledProvider } from "../support/spelled-provider.ts";

const context = {
  address: "https://api.example.com/v1/embeddings",
  model: "m",
  settings: { address: "OPENAI_BASE_URL", key: "OPENAI_API_KEY", model: "OPENAI_EMBED_MODEL" },
  secrets: [],
};
const NOW = Date.parse("2026-10-21T07:28:00Z");

describe("A refusal is of the kind that its status says", () => {
  test.each([
    ...[300, 302, 304, 402, 405, 406, 407, 410, 411, 412, 414, 415, 417, 418, 426, 428, 431, 451].map(
      (status) => [status, "setup"] as const,
    ),
    ...[408, 409, 421, 423, 425, 440, 444, 460, 499, 501, 507, 520, 522, 526, 529, 530, 599, 999].map(
      (status) => [status, "unavailable"] as const,
    ),
    ...[420, 429].map((status) => [status, "throttled"] as const),
    ...[400, 413, 422].map((status) => [status, "row"] as const),
  ])("%d is %s", (status, kind) => {
    expect(classifyAnswer(status, {}, complaintOf({}), ["a"], context).kind).toBe(kind);
  });

  test.each([
    [402, "check its plan and billing"],
    [407, "HTTPS_PROXY"],
    [410, "OPENAI_BASE_URL"],
  ])("%d is followed by advice: %s", (status, advice) => {
    expect(classifyAnswer(status, {}, complaintOf({}), ["a"], context).message).toContain(advice);
  });
});

describe("A wait is read in every form that is known", () => {
  test.each([
    [{ "retry-after": "Wednesday, 21-Oct-26 07:28:30 GMT" }, 30_000],
    [{ "retry-after": "Wed Oct 21 07:28:30 2026" }, 30_000],
    [{ "retry-after": "2026-10-21T07:28:30Z" }, 30_000],
    [{ "retry-after": "1m 30s" }, 90_000],
    [{ "retry-after": ["3", "7"] }, 7_000],
    [{ "retry-after": ["garbage", "7"] }, 7_000],
    [{ "retry-after": "Infinity" }, undefined],
    [{ "retry-after": "1e3" }, undefined],
    [{ "retry-after": "2015-10-21T07:28:30Z" }, undefined],
    [{ "retry-after-ms": "-5" }, undefined],
    [{ "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1792567682500" }, 2_500],
    [{ "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "2026-10-21T07:28:02Z" }, 2_000],
    [{ ratelimit: "limit=100, remaining=0, reset=5" }, 5_000],
    [{ ratelimit: '"default";r=0;t=5' }, 5_000],
    [{ ratelimit: '"default";r=3;t=5' }, undefined],
    [{ "x-ratelimit-remaining-requests": "-1", "x-ratelimit-reset-requests": "-1" }, undefined],
  ])("The headers %j are read as a pause of %s ms", (headers, ms) => {
    expect(retryAfterMs(headers, NOW)).toBe(ms);
  });

  test.each([
    ["1m30s", 90_000],
    ["1M30S", 90_000],
    ["250ms", 250],
    ["0.25s", 250],
    ["PT1M30S", 90_000],
    ["1792567682", 2_000],
    ["-5s", undefined],
    ["1.2.3s", undefined],
    ["5 apples", undefined],
  ])("The duration %j is read as %s ms", (text, ms) => {
    expect(durationMs(text, NOW)).toBe(ms);
  });

  test.each([
    [{ error: { message: "Rate limit reached. Please try again in 20s." } }, 20_000],
    [{ error: { message: "Please retry after 7 seconds." } }, 7_000],
    [{ message: "try again in 250 milliseconds" }, 250],
    [{ message: "try again in 6m0s" }, 360_000],
    [{ message: "try again in 20 minutes" }, 1_200_000],
    [{ message: "This model will try again in 2026" }, undefined],
    [{ message: "try again after you have paid" }, undefined],
    [{ retry_after_ms: 1500 }, 1500],
    [{ retry_after_ms: -1500 }, undefined],
    [{ retry_after: "0s" }, undefined],
  ])("The body %j asks for %s ms", (body, ms) => {
    expect(complaintOf(body).retryAfterMs).toBe(ms);
  });

  test("What is left is read from the one header of the IETF too", () => {
    expect(rateHints({ ratelimit: "limit=100, remaining=7, reset=5" })).toMatchObject({
      limitRequests: 100,
      remainingRequests: 7,
      resetRequestsMs: 5_000,
    });
  });
});

test("A server that gives one vector for however many texts is asked for one at a time from then on", async () => {
  const server = await startSpelledProvider(({ texts }) => ({
    body: { data: itemsOf(texts.slice(0, 1), 8) },
  }));
  onTestFinished(() => server.close());
  const opened = openProviderWithoutProbe({
    backend: "llm_api",
    model: "m",
    baseUrl: server.url,
    timeoutMs: 20_000,
    dimensions: 8,
  });
  const retrying = new RetryingProvider(opened);
  onTestFinished(() => retrying.close());
  const texts = Array.from({ length: 64 }, (_, i) => `text ${i}`);
  let embedded = 0;
  await embedWithBisection(retrying, texts, new AbortController().signal, (result) => {
    if (result.kind === "embedded") embedded += result.indices.length;
  });
  expect(embedded).toBe(64);
  expect(retrying.limits.inputs).toBe(1);
  // The first is asked for in base64 and in floats.
  expect(server.requests.length).toBeLessThanOrEqual(64 + 2);
});

describe("A request of more tokens than a minute allows is divided, though it is answered 429", () => {
  const LIMIT = 100;
  const spelledOut = (requested: number) =>
    `Request too large for m in organization org-1 on tokens per min (TPM): Limit ${LIMIT}, Requested ${requested}. ` +
    "The input or output tokens must be reduced in order to run successfully. Visit https://platform.openai.com/account/rate-limits to learn more.";

  async function embed(texts: readonly string[], words: (requested: number) => string) {
    const server = await startSpelledProvider((sent) => {
      const requested = sent.texts.join("").length;
      if (requested <= LIMIT) return { body: { data: itemsOf(sent.texts, 8) } };
      return {
        status: 429,
        body: { error: { message: words(requested), type: "tokens", code: "rate_limit_exceeded" } },
      };
    });
    onTestFinished(() => server.close());
    const settings = { backend: "llm_api", model: "m", baseUrl: server.url, timeoutMs: 20_000 } as const;
    const retrying = new RetryingProvider(openProviderWithoutProbe({ ...settings, dimensions: 8 }), {
      backoffMs: 1,
    });
    onTestFinished(() => retrying.close());
    const [embedded, refused]: [number[], string[]] = [[], []];
    await embedWithBisection(retrying, texts, new AbortController().signal, (result) => {
      if (result.kind === "embedded") embedded.push(...result.indices);
      else refused.push(result.error.message);
    });
    return { embedded: embedded.length, refused, requests: server.requests.length, retrying };
  }
  const texts = Array.from({ length: 64 }, (_, i) => `text ${String(i).padStart(3, "0")}`);

  test("The size that the service names is kept to from then on", async () => {
    const { embedded, refused, requests, retrying } = await embed(texts, spelledOut);
    expect({ embedded, refused }).toEqual({ embedded: 64, refused: [] });
    expect(retrying.limits.characters).toBeLessThanOrEqual(LIMIT);
    expect(requests).toBeLessThanOrEqual(12);
  });

  test("A service that does not say why is asked for less after some refusals, while it answers others", async () => {
    const { embedded, refused } = await embed(texts.slice(0, 20), () => "Too many requests.");
    expect({ embedded, refused }).toEqual({ embedded: 20, refused: [] });
  });

  test("A single text over the limit fails with what to do, and delays no other", async () => {
    const { embedded, refused } = await embed(["a".repeat(101), ...texts], spelledOut);
    expect(embedded).toBe(64);
    expect(refused).toEqual([expect.stringMatching(/shorten the text, or have the limit raised/)]);
  });

  test("A request that only comes too early is throttled", () => {
    const message =
      "Rate limit reached for m on tokens per min (TPM): Limit 1,000,000, Used 999,000, Requested 2,000. Please try again in 60ms.";
    const error = classifyAnswer(429, {}, complaintOf({ error: { message } }), ["a", "b"], context);
    expect(error).toMatchObject({ kind: "throttled", tooMuch: undefined, retryAfterMs: 60 });
  });

  test.each([
    "Limit 1.5M, Used 1.49M, Requested 20000",
    "Limit 40.000, Used 39.000, Requested 2000",
    "Limit 40k, Requested 75000",
    "Limit 0, Used 0, Requested 1",
  ])("Of %s nothing is taken for too much", (message) => {
    const error = classifyAnswer(429, {}, complaintOf({ error: { message } }), ["a", "b"], context);
    expect(error).toMatchObject({ kind: "throttled", tooMuch: undefined });
  });
});
