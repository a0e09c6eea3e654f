import { createHash } from "node:crypto";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { fingerprintOf } from "../../src/providers/fingerprint.ts";
import { PROBE_TEXT } from "../../src/providers/isolate/probe-text.ts";
import { describeProvider } from "../../src/providers/describe-provider.ts";
import { withProvider } from "../../src/providers/with-provider.ts";
import { NO_OVERRIDES, type ProviderOverrides } from "../../src/providers/resolve-provider-settings.ts";
import { startProviderServer, type ProviderServer } from "../support/provider-server.ts";

const never = new AbortController().signal;
const NOMIC = { EMBEDDING_BACKEND: "ollama", EMBED_BATCH_SIZE: "8" };

let server: ProviderServer;
beforeAll(async () => {
  server = await startProviderServer({ dimensions: 4 });
});
afterAll(() => server.close());
beforeEach(() => {
  server.requests.length = 0;
});

const configOf = (environment: Readonly<Record<string, string>>) =>
  readConfig({ OLLAMA_BASE_URL: server.url, OPENAI_BASE_URL: server.openAiUrl, ...environment });

/** What the provider receives for the text of a row, and for a question. */
async function received(
  environment: Readonly<Record<string, string>>,
  overrides: Partial<ProviderOverrides> = {},
) {
  const source = { ...NO_OVERRIDES, ...overrides };
  await withProvider(configOf(environment), source, { dimensions: 4 }, async (provider) => {
    await provider.embed(["a row"], "document", never);
    await provider.embed(["a question"], "query", never);
  });
  return server.requests.map(({ texts }) => texts).flat();
}

const fingerprints = async (
  environment: Readonly<Record<string, string>>,
  overrides: Partial<ProviderOverrides> = {},
) => {
  const described = await describeProvider(configOf(environment), { ...NO_OVERRIDES, ...overrides });
  return [fingerprintOf(described, "document", 4), fingerprintOf(described, "query", 4)];
};

test("Ollama's default model gets each text of a row, each question and the probe with the prefix of its role", async () => {
  expect(await received(NOMIC)).toEqual(["search_document: a row", "search_query: a question"]);
  server.requests.length = 0;
  await withProvider(configOf(NOMIC), NO_OVERRIDES, {}, () => undefined);
  expect(server.requests.map(({ texts }) => texts).flat()).toEqual([`search_document: ${PROBE_TEXT}`]);
});

test("An Ollama server without the batch endpoint gets the prefixes too", async () => {
  server.isOldOllama = true;
  const texts = await received(NOMIC).finally(() => (server.isOldOllama = false));
  expect(texts).toContain("search_document: a row");
  expect(texts).toContain("search_query: a question");
  expect(texts).not.toContain("a row");
});

test("An OpenAI-compatible server gets the prefixes of a model with a registry and a tag in its name", async () => {
  const e5 = { EMBEDDING_BACKEND: "llm_api", OPENAI_EMBED_MODEL: "hf.co/intfloat/multilingual-e5-large:f16" };
  expect(await received(e5)).toEqual(["passage: a row", "query: a question"]);
});

test("A model that expects no prefix, or is not known, gets the texts as they are", async () => {
  for (const model of ["text-embedding-3-small", "bge-m3", "our-own-model"]) {
    server.requests.length = 0;
    const settings = { EMBEDDING_BACKEND: "llm_api", OPENAI_EMBED_MODEL: model };
    expect(await received(settings)).toEqual(["a row", "a question"]);
  }
});

test("EMBED_DOCUMENT_PREFIX and EMBED_QUERY_PREFIX overrule the model's family, each alone, and keep their blanks", async () => {
  expect(await received({ ...NOMIC, EMBED_QUERY_PREFIX: " ask:  " })).toEqual([
    "search_document: a row",
    " ask:  a question",
  ]);
  server.requests.length = 0;
  expect(await received({ ...NOMIC, EMBED_DOCUMENT_PREFIX: "note:\n" })).toEqual([
    "note:\na row",
    "search_query: a question",
  ]);
});

test("An empty EMBED_DOCUMENT_PREFIX means no prefix", async () => {
  expect(await received({ ...NOMIC, EMBED_DOCUMENT_PREFIX: "", EMBED_QUERY_PREFIX: "" })).toEqual([
    "a row",
    "a question",
  ]);
});

test("A source's own prefixes overrule the environment's, and empty ones mean none", async () => {
  const environment = { ...NOMIC, EMBED_DOCUMENT_PREFIX: "theirs: ", EMBED_QUERY_PREFIX: "theirs: " };
  const settings = { document_prefix: "ours: ", query_prefix: "" };
  expect(await received(environment, { settings })).toEqual(["ours: a row", "a question"]);
});

test("The environment's prefixes are not sent to a source with another model, whose family decides", async () => {
  const environment = { ...NOMIC, EMBED_DOCUMENT_PREFIX: "theirs: ", EMBED_QUERY_PREFIX: "theirs: " };
  const texts = ["passage: a row", "query: a question"];
  expect(await received(environment, { model: "multilingual-e5-large" })).toEqual(texts);
});

test("Fields of a role go with the texts of that role alone, over those of every request, and in place of the family's prefix", async () => {
  const texts = await received({
    EMBEDDING_BACKEND: "llm_api",
    OPENAI_EMBED_MODEL: "e5-large",
    OPENAI_EXTRA_BODY: '{"user": "clinic-7", "kind": "any"}',
    OPENAI_DOCUMENT_EXTRA_BODY: '{"kind": "stored"}',
    OPENAI_QUERY_EXTRA_BODY: '{"kind": "asked", "prompt_name": "query"}',
  });
  expect(texts).toEqual(["a row", "a question"]);
  const bodies = server.requests.map(({ body }) => [body["user"], body["kind"], body["prompt_name"]]);
  expect(bodies).toEqual([
    ["clinic-7", "stored", undefined],
    ["clinic-7", "asked", "query"],
  ]);
});

test.each([
  [{}, { input_type: "document" }, { input_type: "query" }],
  [
    { OPENAI_EXTRA_BODY: '{"input_type": "document"}' },
    { input_type: "document" },
    { input_type: "document" },
  ],
  [
    { OPENAI_QUERY_EXTRA_BODY: '{"input_type": null, "output_dimension": 256}' },
    { input_type: "document" },
    { input_type: null, output_dimension: 256 },
  ],
])(
  "With the settings %j, Voyage is sent %j with rows and %j with questions",
  async (own, document, query) => {
    const described = await describeProvider(
      configOf({
        EMBEDDING_BACKEND: "llm_api",
        OPENAI_BASE_URL: "https://api.voyageai.com/v1",
        OPENAI_EMBED_MODEL: "voyage-3.5",
        ...own,
      }),
      NO_OVERRIDES,
    );
    expect(described.shape).toEqual({ document, query });
  },
);

test("The fingerprint of a model without prefixes and fields is the one that it had before there were any, in both roles", async () => {
  const plain = { EMBEDDING_BACKEND: "llm_api", OPENAI_EMBED_MODEL: "text-embedding-3-small" };
  const name = `llm_api/text-embedding-3-small@4 ${server.openAiUrl}/embeddings`;
  expect(await fingerprints(plain)).toEqual([name, name]);
  const settings = JSON.stringify([["input_type", "document"]]);
  const hash = createHash("sha256").update(settings).digest("hex").slice(0, 12);
  const body = { ...plain, OPENAI_EXTRA_BODY: '{"input_type": "document"}' };
  expect(await fingerprints(body)).toEqual([`${name} #${hash}`, `${name} #${hash}`]);
  // A model of a family whose prefixes are switched off, as it was embedded before there were any.
  const bare = { ...NOMIC, EMBED_DOCUMENT_PREFIX: "", EMBED_QUERY_PREFIX: "" };
  const ollama = `ollama/nomic-embed-text@4 ${server.url}/api/embed`;
  expect(await fingerprints(bare)).toEqual([ollama, ollama]);
});

test("What is sent with rows changes their fingerprint alone, and what is sent with questions theirs alone", async () => {
  const [rows, questions] = await fingerprints(NOMIC);
  expect(rows).not.toBe(questions);
  expect(await fingerprints({ ...NOMIC, EMBED_QUERY_PREFIX: "ask: " })).toEqual([
    rows,
    expect.not.stringMatching(`^${questions ?? ""}$`),
  ]);
  expect(await fingerprints({ ...NOMIC, EMBED_DOCUMENT_PREFIX: "note: " })).toEqual([
    expect.not.stringMatching(`^${rows ?? ""}$`),
    questions,
  ]);
  const hosted = { EMBEDDING_BACKEND: "llm_api", OPENAI_QUERY_EXTRA_BODY: '{"kind": "asked"}' };
  expect((await fingerprints(hosted))[0]).toBe((await fingerprints({ EMBEDDING_BACKEND: "llm_api" }))[0]);
});

test("A prefix counts towards the longest text and the longest request", async () => {
  const limits = async (environment: Readonly<Record<string, string>>) =>
    await withProvider(configOf(environment), NO_OVERRIDES, { dimensions: 4 }, (provider) => provider.limits);
  const longest = { EMBED_MAX_TEXT_CHARACTERS: "100" };
  const plain = await limits({ ...NOMIC, ...longest, EMBED_DOCUMENT_PREFIX: "" });
  expect(plain).toMatchObject({ textCharacters: 100 });
  const { length } = "search_document: ";
  expect(await limits({ ...NOMIC, ...longest })).toEqual({
    ...plain,
    textCharacters: 100 - length,
    prefixCharacters: length,
  });
});
