import { createServer, type AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { RerankError } from "../../src/providers/rerank/rerank-error.ts";
import { openReranker, type Reranker } from "../../src/providers/rerank/reranker.ts";
import type { RerankBackend } from "../../src/providers/rerank/rerank-shapes.ts";
import { RERANK_KEY, SPELLINGS, startReranker, type Reply, type Result } from "../support/rerank-server.ts";

const QUESTION = "which wrist aches";
const TEXTS = ["asthma", "a broken wrist", "an ankle"];
const BACKENDS = Object.keys(SPELLINGS) as RerankBackend[];
const SCORES = TEXTS.map((text) => text.length / 100);

function open(environment: Readonly<Record<string, string>>): Reranker {
  const reranker = openReranker(readConfig(environment));
  if (reranker === undefined) throw new Error("no reranker is configured");
  onTestFinished(() => reranker.close());
  return reranker;
}

async function failureOf(asked: Promise<unknown>): Promise<RerankError> {
  const error = await asked.catch((thrown: unknown) => thrown);
  if (error instanceof RerankError) return error;
  throw new Error("expected a RerankError", { cause: error });
}

const BODIES: Readonly<Record<RerankBackend, object>> = {
  cohere: { model: "rerank-v3.5", query: QUESTION, documents: TEXTS },
  jina: {
    model: "jina-reranker-v2-base-multilingual",
    query: QUESTION,
    documents: TEXTS,
    return_documents: false,
  },
  voyage: {
    model: "rerank-2.5",
    query: QUESTION,
    documents: TEXTS,
    return_documents: false,
    truncation: true,
  },
  tei: { query: QUESTION, texts: TEXTS, truncate: true, raw_scores: false, return_text: false },
};

describe.each(BACKENDS)("The reranker %s", (backend) => {
  test("is sent the question and the texts as its documentation says, and its scores are put in the texts' order", async () => {
    const server = await startReranker(backend);
    expect(await open(server.environment).scores(QUESTION, TEXTS)).toEqual(SCORES);
    expect(server.requests).toMatchObject([
      { path: SPELLINGS[backend].path, headers: { authorization: `Bearer ${RERANK_KEY}` } },
    ]);
    expect(server.requests[0]?.body).toEqual(BODIES[backend]);
  });

  const right: readonly Result[] = SCORES.map((score, index) => ({ index, score }));
  test.each<[string, readonly Result[], RegExp]>([
    ["too few results", right.slice(1), /2 results for 3 texts/],
    ["no results", [], /0 results for 3 texts/],
    ["too many results", [...right, { index: 3, score: 1 }], /index is 3 among 3 texts/],
    ["a negative index", [{ index: -1, score: 1 }, ...right.slice(1)], /index is -1/],
    ["one index twice", [...right.slice(0, 2), { index: 0, score: 1 }], /two results with the index 0/],
    ["no index", [{ score: 1 }, ...right.slice(1)], /a result without an index/],
    ["an index that is no number", [{ index: "0", score: 1 }, ...right.slice(1)], /without an index/],
    [
      "a score that is null, as JSON has NaN",
      [{ index: 0, score: null }, ...right.slice(1)],
      /no finite score/,
    ],
    ["a score that is a text", [{ index: 0, score: "NaN" }, ...right.slice(1)], /no finite score/],
    ["no score", [{ index: 0 }, ...right.slice(1)], /no finite score at the index 0/],
  ])("whose answer has %s is malformed", async (_, results, says) => {
    const server = await startReranker(backend, () => results);
    const { failure, message } = await failureOf(open(server.environment).scores(QUESTION, TEXTS));
    expect(failure).toBe("malformed");
    expect(message).toMatch(says);
  });
});

test.each<[string, unknown, string]>([
  ["another shape", { ranking: [] }, "malformed"],
  ["a list of nothing", { results: [null, null, null] }, "malformed"],
  ["an endless score", Buffer.from('{"results":[{"index":0,"relevance_score":1e999}]}'), "malformed"],
  ["null", null, "malformed"],
  [
    "a bare NaN, which is no JSON",
    Buffer.from('{"results":[{"index":0,"relevance_score":NaN}]}'),
    "unavailable",
  ],
  ["a proxy's page", Buffer.from("<html>"), "unavailable"],
  ["an error of a gateway", { error: { message: "slow down", code: 429 } }, "throttled"],
])("An answer of 200 with %s is no ranking", async (_, body, expected) => {
  const server = await startReranker("cohere", () => ({ body }));
  expect((await failureOf(open(server.environment).scores(QUESTION, TEXTS))).failure).toBe(expected);
});

test.each([
  [429, { message: "slow down" }, "throttled"],
  [503, { message: "busy" }, "unavailable"],
  [401, { message: `wrong key ${RERANK_KEY}` }, "setup"],
  [404, { message: "model not found" }, "setup"],
  [
    422,
    { error: `batch of '${TEXTS[1] ?? ""}' and '${QUESTION}' refused`, error_type: "Validation" },
    "refused",
  ],
] as const)(
  "An answer of %i names its failure, and repeats neither key nor text",
  async (status, body, expected) => {
    const server = await startReranker("tei", () => ({ status, body }));
    const { failure, message } = await failureOf(open(server.environment).scores(QUESTION, TEXTS));
    expect(failure).toBe(expected);
    expect(message).not.toMatch(/4242|wrist|aches|asthma/);
    expect(message).not.toMatch(/EMBED|OPENAI|embedded|lost/);
    expect(server.requests).toHaveLength(1);
  },
);

test("A reranker that does not answer in time is late, and the message names the setting", async () => {
  const silent = createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void silent.close());
  await new Promise((resolve) => silent.once("listening", resolve));
  const { port } = silent.address() as AddressInfo;
  const reranker = open({
    RERANK_BACKEND: "tei",
    RERANK_BASE_URL: `http://127.0.0.1:${String(port)}`,
    RERANK_TIMEOUT: "100",
  });
  const { failure, message } = await failureOf(reranker.scores(QUESTION, TEXTS));
  expect(failure).toBe("late");
  expect(message).toContain("within 100 ms (RERANK_TIMEOUT)");
  const abort = new AbortController();
  abort.abort(new Error("the caller has gone"));
  await expect(reranker.scores(QUESTION, TEXTS, abort.signal)).rejects.toThrow("the caller has gone");
});

test("A reranker that is not there is unavailable, and one without a key gets no request", async () => {
  const gone = { RERANK_BACKEND: "tei", RERANK_BASE_URL: "http://127.0.0.1:1" };
  expect((await failureOf(open(gone).scores(QUESTION, TEXTS))).failure).toBe("unavailable");
  const { failure, message } = await failureOf(open({ RERANK_BACKEND: "cohere" }).scores(QUESTION, TEXTS));
  expect(failure).toBe("setup");
  expect(message).toContain("RERANK_API_KEY is not set");
});

test("What is longer than RERANK_MAX_TEXT_CHARACTERS is cut, and no character is torn", async () => {
  const server = await startReranker("voyage");
  const reranker = open({ ...server.environment, RERANK_MAX_TEXT_CHARACTERS: "100" });
  await reranker.scores("q".repeat(300), [`${"a".repeat(99)}😀`, "b".repeat(100), "short"]);
  expect(server.requests[0]?.body).toMatchObject({
    query: "q".repeat(100),
    documents: ["a".repeat(99), "b".repeat(100), "short"],
  });
});

test("More texts than a tei takes are sent in several requests, and keep their order", async () => {
  const reply: Reply = (texts) => texts.map((text, index) => ({ index, score: Number(text) })).toReversed();
  const server = await startReranker("tei", reply);
  const texts = Array.from({ length: 70 }, (_, i) => String(i));
  expect(await open(server.environment).scores(QUESTION, texts)).toEqual(texts.map(Number));
  expect(server.requests.map(({ body }) => (body["texts"] as string[]).length).toSorted()).toEqual([
    32, 32, 6,
  ]);
});

test("Settings of the reranker that cannot be used are refused, and a misspelled one is pointed out", () => {
  expect(() => readConfig({ RERANK_BACKEND: "tei" })).toThrow(
    "RERANK_BASE_URL: must be set for RERANK_BACKEND=tei",
  );
  expect(() => readConfig({ RERANK_BACKEND: "coherent" })).toThrow(
    'RERANK_BACKEND: expected one of cohere, jina, voyage, tei, got "coherent"',
  );
  const warnings: string[] = [];
  readConfig({ RERANK_MODLE: "x" }, (warning) => warnings.push(warning));
  expect(warnings).toEqual(["RERANK_MODLE: no such setting; did you mean RERANK_MODEL?"]);
  expect(openReranker(readConfig({ RERANK_MODEL: "x" }))).toBeUndefined();
});
