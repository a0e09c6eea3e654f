import { describe, expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { describeProvider } from "../../src/providers/describe-provider.ts";
import { withProvider } from "../../src/providers/with-provider.ts";
import {
  resolveProviderSettings,
  type ProviderOverrides,
} from "../../src/providers/resolve-provider-settings.ts";
import type { Role } from "../../src/providers/roles/role.ts";
import { oracleVector } from "../support/oracle-vector.ts";
import { itemsOf, startSpelledProvider, type Sent } from "../support/spelled-provider.ts";

const DIMENSIONS = 8;
const TEXTS = ["asthma", "a broken wrist"];
const KEY = "key-4242";
const OF_ENVIRONMENT: ProviderOverrides = { backend: null, model: null, dimensions: null, settings: {} };
const never = new AbortController().signal;

interface Dialect {
  readonly backend: "voyage" | "cohere" | "gemini" | "vertex" | "bedrock";
  readonly model: string;
  /** The setting that has the key, where it is not named like the others. */
  readonly keyName?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly path: string;
  readonly key: readonly [header: string, value: string];
  readonly textsOf: (body: Sent["body"]) => string[];
  readonly answer: (vectors: number[][]) => unknown;
  readonly request: (role: Role) => unknown;
  /** As the provider reports them; null where it reports none. */
  readonly tokens: number | null;
  readonly tooLong: unknown;
}

const DIALECTS: readonly Dialect[] = [
  {
    backend: "voyage",
    model: "voyage-3.5",
    path: "/v1/embeddings",
    key: ["authorization", `Bearer ${KEY}`],
    textsOf: (body) => body["input"] as string[],
    answer: (vectors) => ({
      data: vectors.map((embedding, index) => ({ index, embedding })).toReversed(),
      usage: { total_tokens: 7 },
    }),
    request: (role) => ({
      model: "voyage-3.5",
      input: TEXTS,
      input_type: role,
      output_dimension: DIMENSIONS,
      truncation: false,
    }),
    tokens: 7,
    tooLong: { detail: "The example has too many tokens and does not fit into the model's context window" },
  },
  {
    backend: "cohere",
    model: "embed-v4.0",
    path: "/v1/embed",
    key: ["authorization", `Bearer ${KEY}`],
    textsOf: (body) => body["texts"] as string[],
    answer: (float) => ({ embeddings: { float }, texts: TEXTS, meta: { billed_units: { input_tokens: 7 } } }),
    request: (role) => ({
      model: "embed-v4.0",
      texts: TEXTS,
      input_type: role === "query" ? "search_query" : "search_document",
      embedding_types: ["float"],
      output_dimension: DIMENSIONS,
      truncate: "NONE",
    }),
    tokens: 7,
    tooLong: { message: "invalid request: text is too long: 9001 tokens, at most 512 are allowed" },
  },
  {
    backend: "gemini",
    model: "gemini-embedding-001",
    path: "/v1/models/gemini-embedding-001:batchEmbedContents",
    key: ["x-goog-api-key", KEY],
    textsOf: (body) =>
      (body["requests"] as { content: { parts: { text: string }[] } }[]).map(
        ({ content }) => content.parts[0]?.text ?? "",
      ),
    answer: (vectors) => ({ embeddings: vectors.map((values) => ({ values })) }),
    request: (role) => ({
      requests: TEXTS.map((text) => ({
        model: "models/gemini-embedding-001",
        content: { parts: [{ text }] },
        taskType: role === "query" ? "RETRIEVAL_QUERY" : "RETRIEVAL_DOCUMENT",
        outputDimensionality: DIMENSIONS,
      })),
    }),
    tokens: null,
    tooLong: [
      { error: { code: 400, message: "input token count is 9001 but the model supports up to 2048" } },
    ],
  },
  {
    backend: "vertex",
    model: "text-embedding-005",
    keyName: "VERTEX_ACCESS_TOKEN",
    environment: { VERTEX_PROJECT: "clinic-7", VERTEX_REGION: "europe-west4" },
    path: "/v1/projects/clinic-7/locations/europe-west4/publishers/google/models/text-embedding-005:predict",
    key: ["authorization", `Bearer ${KEY}`],
    textsOf: (body) => (body["instances"] as { content: string }[]).map(({ content }) => content),
    answer: (vectors) => ({
      predictions: vectors.map((values, i) => ({
        embeddings: { values, statistics: { token_count: 3 + i, truncated: false } },
      })),
    }),
    request: (role) => ({
      instances: TEXTS.map((content) => ({
        content,
        task_type: role === "query" ? "RETRIEVAL_QUERY" : "RETRIEVAL_DOCUMENT",
      })),
      parameters: { outputDimensionality: DIMENSIONS, autoTruncate: false },
    }),
    tokens: 7,
    tooLong: {
      error: {
        code: 400,
        message: "The input token count is 9001 but the model supports up to 2048",
        status: "INVALID_ARGUMENT",
      },
    },
  },
  {
    backend: "bedrock",
    model: "cohere.embed-v4:0",
    keyName: "AWS_BEARER_TOKEN_BEDROCK",
    path: "/v1/model/cohere.embed-v4%3A0/invoke",
    key: ["authorization", `Bearer ${KEY}`],
    textsOf: (body) => body["texts"] as string[],
    answer: (float) => ({ id: "1", embeddings: { float }, response_type: "embeddings_by_type" }),
    request: (role) => ({
      texts: TEXTS,
      input_type: role === "query" ? "search_query" : "search_document",
      embedding_types: ["float"],
      output_dimension: DIMENSIONS,
      truncate: "NONE",
    }),
    tokens: null,
    tooLong: { message: "invalid request: text is too long: 9001 tokens, at most 512 are allowed" },
  },
];

describe.each(DIALECTS)("The service behind the backend $backend", (dialect) => {
  const { backend, path, key } = dialect;
  const prefix = backend.toUpperCase();
  const { keyName = `${prefix}_API_KEY` } = dialect;

  async function serve(reply?: { readonly status: number; readonly body: unknown }) {
    const server = await startSpelledProvider(({ body }) => {
      const items = itemsOf(dialect.textsOf(body), DIMENSIONS);
      return reply ?? { body: dialect.answer(items.map(({ embedding }) => embedding)) };
    });
    onTestFinished(() => server.close());
    const config = readConfig({
      EMBEDDING_BACKEND: backend,
      EMBEDDING_DIM: String(DIMENSIONS),
      [`${prefix}_BASE_URL`]: server.url,
      [`${prefix}_EMBED_MODEL`]: dialect.model,
      [keyName]: KEY,
      ...dialect.environment,
    });
    const embed = async (role: Role, settings: ProviderOverrides["settings"] = {}) =>
      await withProvider(
        config,
        { ...OF_ENVIRONMENT, settings },
        { dimensions: DIMENSIONS },
        async (provider) => ({
          ...(await provider.embed(TEXTS, role, never)),
          fingerprint: provider.fingerprint,
        }),
      );
    return { server, embed };
  }

  test.each(["document", "query"] as const)(
    "is sent a %s as its documentation says, and its vectors are read",
    async (role) => {
      const { server, embed } = await serve();
      const { vectors, tokens, areTokensEstimated, fingerprint } = await embed(role);
      for (const [i, text] of TEXTS.entries()) expect(vectors.at(i)).toEqual(oracleVector(text, DIMENSIONS));
      expect(server.requests).toMatchObject([{ path, headers: { [key[0]]: key[1] } }]);
      expect(server.requests[0]?.body).toEqual(dialect.request(role));
      expect(areTokensEstimated).toBe(dialect.tokens === null);
      if (dialect.tokens !== null) expect(tokens).toBe(dialect.tokens);
      expect(fingerprint).toContain(`${backend}/${dialect.model}@${String(DIMENSIONS)} ${server.url}`);
    },
  );

  test("gets no key of the environment for a source with a server of its own, but the one that the source names", async () => {
    const { embed } = await serve();
    const { server: other } = await serve();
    vi.stubEnv("OTHER_API_KEY", "other-key");
    onTestFinished(() => void vi.unstubAllEnvs());
    await embed("document", { base_url: other.url });
    expect(other.requests[0]?.headers[key[0]]).toBeUndefined();
    await embed("document", { base_url: other.url, api_key_env: "OTHER_API_KEY" });
    expect(other.requests[1]?.headers[key[0]]).toBe(key[1].replace(KEY, "other-key"));
  });

  test("is told apart when a text is too long, when it throttles, and when it wants another key", async () => {
    const failing = async (status: number, body: unknown): Promise<unknown> =>
      await (await serve({ status, body })).embed("document").catch((error: unknown) => error);
    expect(await failing(400, dialect.tooLong)).toMatchObject({ kind: "row" });
    expect(await failing(429, { error: { message: "slow down" } })).toMatchObject({ kind: "throttled" });
    expect(await failing(401, { message: `invalid key ${KEY}` })).toMatchObject({
      kind: "setup",
      message: expect.stringMatching(new RegExp(`Check ${keyName}`)) as string,
    });
    expect(await failing(200, { error: { message: "overloaded" } })).toMatchObject({ kind: "unavailable" });
  });

  test("is asked by a source of its own, and a text that is too long is told so when it is alone", async () => {
    const { server, embed } = await serve({ status: 400, body: dialect.tooLong });
    await embed("document").catch(() => undefined);
    const config = readConfig({
      [`${prefix}_BASE_URL`]: server.url,
      [`${prefix}_EMBED_MODEL`]: dialect.model,
      ...dialect.environment,
    });
    const alone = withProvider(
      config,
      { ...OF_ENVIRONMENT, backend },
      { dimensions: DIMENSIONS },
      (provider) => provider.embed(["long"], "document", never),
    );
    await expect(alone).rejects.toMatchObject({ kind: "row", tooLong: true });
  });
});

test("gemini-embedding-2 gets its prefixes instead of a task", async () => {
  const server = await startSpelledProvider(() => ({
    body: { embeddings: [{ values: Array.from(oracleVector("a", DIMENSIONS)) }] },
  }));
  onTestFinished(() => server.close());
  const config = readConfig({
    EMBEDDING_BACKEND: "gemini",
    GEMINI_EMBED_MODEL: "gemini-embedding-2",
    GEMINI_BASE_URL: server.url,
  });
  await withProvider(config, OF_ENVIRONMENT, { dimensions: DIMENSIONS }, async (provider) => {
    await provider.embed(["asthma"], "query", never);
    await provider.embed(["asthma"], "document", never);
  });
  expect(server.requests.map(({ body }) => body)).toEqual(
    ["task: search result | query: asthma", "title: none | text: asthma"].map((text) => ({
      requests: [
        {
          model: "models/gemini-embedding-2",
          content: { parts: [{ text }] },
          outputDimensionality: DIMENSIONS,
        },
      ],
    })),
  );
});

test.each([
  [{ message: "Too many input tokens. Max input tokens: 8192, request input token count: 9001" }, 400],
  [{ message: "The security token included in the request is expired" }, 403],
])("bedrock sends a text to Titan alone, and understands %j", async (refusal, status) => {
  const answers = [
    { body: { embedding: Array.from(oracleVector("asthma", DIMENSIONS)), inputTextTokenCount: 2 } },
    { status, body: refusal },
  ];
  const server = await startSpelledProvider(() => answers.shift() ?? { body: {} });
  onTestFinished(() => server.close());
  const config = readConfig({
    EMBEDDING_BACKEND: "bedrock",
    EMBEDDING_DIM: String(DIMENSIONS),
    BEDROCK_BASE_URL: server.url,
    AWS_BEARER_TOKEN_BEDROCK: KEY,
  });
  await withProvider(config, OF_ENVIRONMENT, { dimensions: DIMENSIONS }, async (provider) => {
    expect(provider.limits.inputs).toBe(1);
    expect(await provider.embed(["asthma"], "query", never)).toMatchObject({ tokens: 2 });
    const refused = provider.embed(["long"], "document", never);
    await expect(refused).rejects.toMatchObject(
      status === 400 ? { kind: "row", tooLong: true } : { kind: "setup" },
    );
  });
  expect(server.requests[0]).toMatchObject({
    path: "/v1/model/amazon.titan-embed-text-v2%3A0/invoke",
    body: { inputText: "asthma", dimensions: DIMENSIONS },
  });
});

test("bedrock knows how to ask the models of Titan and of Cohere, and no other", async () => {
  const config = readConfig({ EMBEDDING_BACKEND: "bedrock", BEDROCK_EMBED_MODEL: "meta.llama3" });
  await expect(describeProvider(config, OF_ENVIRONMENT)).rejects.toThrow(
    'The backend bedrock does not know how to ask the model "meta.llama3".',
  );
});

test("vertex without a project says which setting is missing", () => {
  const config = readConfig({ EMBEDDING_BACKEND: "vertex" });
  expect(() => resolveProviderSettings(config)).toThrow("VERTEX_PROJECT is not set.");
});

test.each([
  ["us-central1", "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1/"],
  ["global", "https://aiplatform.googleapis.com/v1/projects/p/locations/global/"],
])("vertex asks the region %s at its own address", async (region, address) => {
  const config = readConfig({ EMBEDDING_BACKEND: "vertex", VERTEX_PROJECT: "p", VERTEX_REGION: region });
  expect((await describeProvider(config, OF_ENVIRONMENT)).address).toMatch(new RegExp(`^${address}`));
});

test.each([
  ["voyage", "voyage-2"],
  ["cohere", "embed-multilingual-v3.0"],
])("The backend %s asks %s, which has one length, for no other", async (backend, model) => {
  const embedding = Array.from(oracleVector("a", DIMENSIONS));
  const server = await startSpelledProvider(() => ({
    body: { data: [{ index: 0, embedding }], embeddings: { float: [embedding] } },
  }));
  onTestFinished(() => server.close());
  const prefix = backend.toUpperCase();
  const config = readConfig({
    EMBEDDING_BACKEND: backend,
    EMBEDDING_DIM: String(DIMENSIONS),
    [`${prefix}_BASE_URL`]: server.url,
    [`${prefix}_EMBED_MODEL`]: model,
  });
  await withProvider(config, OF_ENVIRONMENT, { dimensions: DIMENSIONS }, (provider) =>
    provider.embed(["a"], "document", never),
  );
  expect(server.requests[0]?.body).not.toHaveProperty("output_dimension");
});
