import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { openProvider, openProviderWithoutProbe } from "../../src/providers/provider-stack.ts";
import type { ProviderError, ProviderErrorKind } from "../../src/providers/provider-error.ts";
import type { OpenAiSettings } from "../../src/providers/backends/openai-compatible.ts";
import { durationMs, rateHints, retryAfterMs } from "../../src/providers/traffic/rate-hints.ts";
import { scrub } from "../../src/providers/scrub.ts";
import type { Fault } from "../support/provider-faults.ts";
import { oracleVector, startProviderServer, type ProviderServer } from "../support/provider-server.ts";

const DIMENSIONS = 8;
const KEY = "sk-proj-4242-do-not-tell";
const TEXTS = ["Zephyrine Okonkwo, MRN 77123, HIV positive", "a broken wrist", "asthma"];
const never = new AbortController().signal;
/** Longer than any request here takes, on a busy machine too. */
const TIMEOUT_MS = 20_000;

let server: ProviderServer;
beforeAll(async () => {
  server = await startProviderServer({ dimensions: DIMENSIONS });
});
afterEach(() => {
  server.reset();
});
afterAll(() => server.close());

type Backend = "llm_api" | "ollama" | "old ollama";

async function fail(backend: Backend, fault: Fault, timeoutMs = TIMEOUT_MS): Promise<ProviderError> {
  server.isOldOllama = backend === "old ollama";
  const common = { model: "m", dimensions: DIMENSIONS, timeoutMs };
  const provider = openProviderWithoutProbe(
    backend === "llm_api"
      ? { backend, baseUrl: server.openAiUrl, apiKey: KEY, keyName: "OPENAI_API_KEY", ...common }
      : { backend: "ollama", baseUrl: server.url, headers: { "x-key": KEY }, ...common },
  );
  try {
    // After this call it knows which endpoint and which encoding the server has.
    await provider.embed(TEXTS, "document", never);
    server.next(fault);
    return await provider.embed(TEXTS, "document", never).then(
      () => {
        throw new Error("the fault went unnoticed");
      },
      (error: unknown) => error as ProviderError,
    );
  } finally {
    await provider.close();
  }
}

const faults: [Fault, ProviderErrorKind, RegExp][] = [
  [401, "setup", /OPENAI_API_KEY|OLLAMA_BASE_URL/],
  [403, "setup", /OPENAI_API_KEY|OLLAMA_BASE_URL/],
  [404, "setup", /_EMBED_MODEL/],
  ["redirect", "setup", /not followed.*_BASE_URL.*http:\/\/elsewhere\.example\)/],
  ["wrong dimension", "setup", /EMBEDDING_DIM=9/],
  [400, "row", /Change the text/],
  [413, "row", /Change the text/],
  [422, "row", /Change the text/],
  [429, "throttled", /lower rate/],
  [408, "unavailable", /408/],
  [500, "unavailable", /500/],
  [502, "unavailable", /502/],
  [503, "unavailable", /503/],
  [504, "unavailable", /504/],
  ["reset", "unavailable", /UND_ERR_SOCKET|ECONNRESET/],
  ["drop mid-body", "unavailable", /no whole answer/],
  ["garbled JSON", "unavailable", /no JSON/],
  ["empty body", "unavailable", /no JSON/],
  ["200 with an error", "unavailable", /answered 200/],
  [{ status: 200, body: {} }, "unavailable", /answered 200 without vectors/],
  [
    { status: 200, body: { data: [], embeddings: [] } },
    "unavailable",
    /without vectors|0 vectors for 3 texts/,
  ],
  ["NaN", "unavailable", /Nothing of it was stored|no JSON/],
  ["null", "unavailable", /not a number but null/],
  ["infinity", "unavailable", /Nothing of it was stored|no JSON/],
  ["beyond a float", "unavailable", /Nothing of it was stored/],
];
const countFaults: [Fault, ProviderErrorKind, RegExp][] = [
  ["one too few", "unavailable", /2 vectors for 3 texts/],
  ["a gap", "unavailable", /2 vectors for 3 texts/],
  ["one too many", "unavailable", /among 3 texts|4 vectors for 3 texts/],
  ["one short vector", "unavailable", /expected 8 dimensions, got 7/],
];

describe("llm_api tells kinds of faults apart", () => {
  test.each([
    ...faults,
    ...countFaults,
    ["duplicate index", "unavailable", /two vectors with the index 0/],
    ["index out of range", "unavailable", /index is 3/],
    ["truncated base64", "unavailable", /a broken vector/],
  ] as [Fault, ProviderErrorKind, RegExp][])(
    "llm_api reports the fault %j as %s",
    async (fault, kind, message) => {
      const error = await fail("llm_api", fault);
      expect(error).toMatchObject({ name: "ProviderError", kind });
      expect(error.message).toMatch(message);
    },
  );

  test("llm_api puts an answer that is out of order back into order", async () => {
    const provider = await openProvider(settings());
    server.next("out of order");
    const { vectors } = await provider.embed(TEXTS, "document", never);
    for (const [i, text] of TEXTS.entries()) {
      expect(vectors.at(i)).toEqual(oracleVector(text, DIMENSIONS));
    }
    await provider.close();
  });

  test("llm_api reports a text over the model's limit as too long", async () => {
    server.longestText = 20;
    const provider = openProviderWithoutProbe({ ...settings(), dimensions: DIMENSIONS });
    const refused = provider.embed(TEXTS, "document", never);
    await expect(refused).rejects.toMatchObject({ kind: "row", tooLong: true });
    await provider.close();
  });

  test.each([
    ["insufficient_quota", 429, "setup", /billing/],
    ["model_not_found", 400, "setup", /OPENAI_EMBED_MODEL/],
    ["rate_limit_exceeded", 429, "throttled", /lower rate/],
  ] as const)("llm_api reads the error code %s of a %d as %s", async (code, status, kind, message) => {
    const error = await fail("llm_api", { status, body: { error: { message: "…", code } } });
    expect(error.kind).toBe(kind);
    expect(error.message).toMatch(message);
  });

  test("llm_api believes the status in the body of a 200", async () => {
    const error = await fail("llm_api", { status: 200, body: { error: { code: 429, message: "slower" } } });
    expect(error).toMatchObject({ kind: "throttled", status: 429 });
  });

  test("llm_api names the setting to look at when no server answers", async () => {
    const nobody = openProvider({ ...settings(), baseUrl: "http://127.0.0.1:9/v1" });
    await expect(nobody).rejects.toMatchObject({ kind: "unavailable", message: /ECONNREFUSED/ });
    const nameless = openProvider({ ...settings(), baseUrl: "http://no-such-host.invalid/v1" });
    await expect(nameless).rejects.toThrow(/ENOTFOUND.*OPENAI_BASE_URL|EAI_AGAIN/);
  });

  function settings(): OpenAiSettings {
    return { backend: "llm_api", model: "m", baseUrl: server.openAiUrl, timeoutMs: TIMEOUT_MS };
  }
});

describe("ollama tells kinds of faults apart", () => {
  test.each([...faults, ...countFaults])(
    "ollama reports the fault %j as %s",
    async (fault, kind, message) => {
      // A 404 on the batch endpoint is an old server, not a fault.
      if (fault === 404) return;
      const error = await fail("ollama", fault);
      expect(error).toMatchObject({ name: "ProviderError", kind });
      expect(error.message).toMatch(message);
    },
  );

  test.each(faults)("ollama without batches reports the fault %j as %s", async (fault, kind) => {
    const error = await fail("old ollama", fault);
    // One vector of another length among several is a slip of the server; only when all agree is the setup wrong.
    expect(error.kind).toBe(fault === "wrong dimension" ? "unavailable" : kind);
  });
});

describe.each(["llm_api", "ollama"] as const)("A fault of %s costs and shows little", (backend) => {
  test.each(["hang", "slow drip"] as const)(
    `${backend} fails a request to a server that does %j after EMBEDDING_TIMEOUT`,
    async (fault) => {
      const startedAt = performance.now();
      const error = await fail(backend, fault, 1_500);
      expect(error).toMatchObject({ kind: "unavailable", message: /1500 ms \(EMBEDDING_TIMEOUT\)/ });
      expect(performance.now() - startedAt).toBeLessThan(5_000);
    },
  );

  test(`${backend} quotes no word of a text and no key, whatever the provider answers`, async () => {
    const echo = `I refuse "${TEXTS.join(" / ")}" of ${KEY} (okonkwo's HIV)`;
    for (const status of [200, 400, 401, 403, 413, 422, 429, 500, 503]) {
      for (const body of [
        { error: { message: echo, code: TEXTS[0] } },
        { error: echo },
        { detail: echo },
        echo,
      ]) {
        const { message, cause } = await fail(backend, { status, body });
        expect(message).not.toMatch(/zephyrine|okonkwo|77123|hiv|wrist|asthma|4242|do-not-tell/i);
        expect(cause).toBeUndefined();
      }
    }
  });

  test(`${backend} shows no secret of a proxy, a redirect or a URL`, async () => {
    expect((await fail(backend, "redirect")).message).not.toMatch(/secret/);
  });
});

describe("A provider's answer about its rate limit is understood", () => {
  test.each([
    [{ "retry-after": "7" }, 7000],
    [{ "retry-after": "0.5" }, 500],
    [{ "retry-after": "Wed, 21 Oct 2026 07:28:30 GMT" }, 30_000],
    // A wait of nothing, and a time that is past, name no wait.
    [{ "retry-after": "Wed, 21 Oct 2026 07:27:00 GMT" }, undefined],
    [{ "retry-after": "0" }, undefined],
    [{ "retry-after": "-1" }, undefined],
    [{ "retry-after": "5, 5" }, undefined],
    [{ "retry-after-ms": "0" }, undefined],
    [{ "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "0s" }, undefined],
    [{ "ratelimit-remaining": "0", "ratelimit-reset": "1792567682" }, 2000],
    [{ "ratelimit-remaining": "0", "ratelimit-reset": "1792567682500" }, 2500],
    [{ "retry-after-ms": "1500", "retry-after": "2" }, 1500],
    [{ "retry-after": "soon" }, undefined],
    [{}, undefined],
    [{ "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "8m38.4s" }, 518_400],
    [{ "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "20ms" }, 20],
    [{ "x-ratelimit-remaining-requests": "5", "x-ratelimit-reset-requests": "1s" }, undefined],
  ])("The headers %j are read as a pause of %s ms", (headers, ms) => {
    expect(retryAfterMs(headers, Date.parse("2026-10-21T07:28:00Z"))).toBe(ms);
  });

  test.each([
    ["6m0s", 360_000],
    ["1h2m", 3_720_000],
    ["1.5s", 1500],
    ["12", 12_000],
    ["", undefined],
    ["never", undefined],
  ])("The duration %j is read as %s ms", (text, ms) => {
    expect(durationMs(text)).toBe(ms);
  });

  test("Headers are read for what is left of a rate limit", () => {
    const hints = rateHints({
      "x-ratelimit-remaining-requests": "59",
      "x-ratelimit-remaining-tokens": "149984",
    });
    expect(hints).toMatchObject({ remainingRequests: 59, remainingTokens: 149_984 });
  });
});

describe("A provider's message loses what it quotes of a text", () => {
  test("A provider's message keeps what helps", () => {
    const message =
      "This model's maximum context length is 8192 tokens, however you requested 9001 tokens. Please reduce your prompt.";
    expect(scrub(message, ["the patient is on a maximum dose"], [])).toBe(message);
  });

  test("A key that was cut short, and a text as numbers, are taken out", () => {
    expect(scrub("the key sk-or-v1-abcdef… has no access here", [], ["sk-or-v1-abcdef0123"])).not.toMatch(
      /abcdef/,
    );
    expect(scrub("cannot read the bytes 70 101 118 101 114 32 of it", ["Fever today"], [])).not.toMatch(
      /101/,
    );
    expect(scrub("cannot read the bytes 46 65 76 65 72 20 of it", ["Fever today"], [])).not.toMatch(/76/);
  });

  test("Of a message that is mostly the text nothing is kept", () => {
    expect(scrub("Okonkwo, HIV positive, is refused", ["Okonkwo is HIV positive"], [])).toBe("");
  });

  test.each([
    ["a name", "cannot embed Okonkwo", "seen by Dr Okonkwo", /okonkwo/i],
    ["a cut word", "cannot embed Okonk", "seen by Dr Okonkwo", /okonk/i],
    ["a word with more around it", "bad:xxOkonkwoxx", "Okonkwo", /okonkwo/i],
    ["a script without spaces", "拒否:患者は糖尿病である", "昨日、患者は糖尿病であると診断", /患者は糖尿病/],
    ["a number", "at 77123", "MRN 77123", /77123/],
    ["another case and no accents", "cannot embed SCHIZOPHRENIE now", "Schizophrénie", /schizo/i],
    ["escapes of JSON", String.raw`cannot embed \u7cd6\u5c3f now`, "糖尿", /7cd6/],
    [
      "escapes of JSON within JSON",
      String.raw`cannot embed Schizophr\\u00e9nie now`,
      "Schizophrénie",
      /schizo|nie/i,
    ],
    ["escapes of bytes", String.raw`cannot embed \xe7\xb3\x96 now`, "糖尿", /xe7/],
    ["percent-encoding", "cannot embed Schizophr%C3%A9nie now", "Schizophrénie", /schizo|nie/i],
    ["entities", "cannot embed Schizophr&#233;nie or Schizophr&eacute;nie", "Schizophrénie", /schizo|nie/i],
    ["bytes taken for Latin-1", "cannot embed SchizophrÃ©nie now", "Schizophrénie", /schizo|nie/i],
    ["base64", `cannot embed ${Buffer.from("糖尿病").toString("base64")} now`, "糖尿病", /57OW/],
    [
      "base64 that was cut",
      `cannot embed ${Buffer.from("seen by Okonkwo").toString("base64").slice(3)} now`,
      "seen by Okonkwo",
      /gT2tv/,
    ],
    ["hex", `cannot embed ${Buffer.from("Okonkwo").toString("hex")} now`, "Okonkwo", /4f6b/],
  ])("A provider's message loses %s that is in a text", (_what, message, text, secret) => {
    expect(scrub(message, [text], [])).not.toMatch(secret);
  });
});
