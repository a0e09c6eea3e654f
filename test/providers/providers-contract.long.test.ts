import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { packTexts } from "../../src/providers/isolate/pack.ts";
import { openProvider } from "../../src/providers/provider-stack.ts";
import type { Provider } from "../../src/providers/provider.ts";
import type { ProviderError } from "../../src/providers/provider-error.ts";
import type { ProviderSettings } from "../../src/providers/known-backends.ts";
import { resolveProviderSettings } from "../../src/providers/resolve-provider-settings.ts";
import { oracleVector, startProviderServer, type ProviderServer } from "../support/provider-server.ts";
import { skippedTitle } from "../support/skipped-suites.ts";
import { writeTinyModel } from "../support/tiny-model.ts";
import { installWithTransformers, WITHOUT_TRANSFORMERS } from "../support/transformers-library.ts";

const DIMENSIONS = 8;
const TEXTS = ["poorly controlled type 2 diabetes", "a broken wrist", "asthma, worse at night", "ø 患者 🫀"];
const never = new AbortController().signal;

const withTransformers = await installWithTransformers();
let server: ProviderServer;
beforeAll(async () => {
  server = await startProviderServer({ dimensions: DIMENSIONS });
});
afterAll(async () => {
  await server.close();
  await withTransformers?.remove();
});

interface Contender {
  readonly name: string;
  readonly settings: () => ProviderSettings;
  readonly vector: ((text: string) => Float32Array) | undefined;
  readonly dimensions?: number;
  readonly prepare?: () => unknown;
  readonly open?: typeof openProvider;
}

const oracle = (text: string): Float32Array => oracleVector(text, DIMENSIONS);
const contenders: Contender[] = [
  {
    name: "llm_api",
    settings: () => ({ backend: "llm_api", model: "m", baseUrl: server.openAiUrl, timeoutMs: 20_000 }),
    vector: oracle,
  },
  {
    name: "llm_api from a server that knows no base64",
    settings: () => ({ backend: "llm_api", model: "m", baseUrl: server.openAiUrl, timeoutMs: 20_000 }),
    vector: oracle,
    prepare: () => (server.base64 = "refused"),
  },
  {
    name: "ollama",
    settings: () => ({ backend: "ollama", model: "m", baseUrl: server.url, timeoutMs: 20_000 }),
    vector: oracle,
  },
  {
    name: "ollama before it took batches",
    settings: () => ({ backend: "ollama", model: "m", baseUrl: server.url, timeoutMs: 20_000 }),
    vector: oracle,
    prepare: () => (server.isOldOllama = true),
  },
  {
    name: "local",
    settings: () => ({ backend: "local", timeoutMs: 60_000 }),
    vector: undefined,
    dimensions: 512,
  },
  ...(withTransformers === undefined ? [] : [transformers(withTransformers)]),
  ...(
    [
      ["voyage", { EMBEDDING_BACKEND: "voyage", VOYAGE_EMBED_MODEL: "m" }],
      ["cohere", { EMBEDDING_BACKEND: "cohere", COHERE_EMBED_MODEL: "m" }],
      ["gemini", { EMBEDDING_BACKEND: "gemini" }],
      ["vertex, one text per request", { EMBEDDING_BACKEND: "vertex" }],
      ["vertex", { EMBEDDING_BACKEND: "vertex", VERTEX_EMBED_MODEL: "text-embedding-005" }],
      [
        "vertex with a model that is asked by :embedContent",
        { EMBEDDING_BACKEND: "vertex", VERTEX_EMBED_MODEL: "gemini-embedding-2", EMBED_DOCUMENT_PREFIX: "" },
      ],
      ["bedrock with Titan", { EMBEDDING_BACKEND: "bedrock" }],
      ...["cohere.embed-multilingual-v3", "us.cohere.embed-v4:0"].map(
        (model) =>
          [`bedrock with ${model}`, { EMBEDDING_BACKEND: "bedrock", BEDROCK_EMBED_MODEL: model }] as const,
      ),
      ["rest", { EMBEDDING_BACKEND: "rest" }],
    ] as const
  ).map(([name, environment]) => ({ name, settings: () => hosted(environment), vector: oracle })),
];

/** With a tiny model in a folder. */
function transformers({
  folder,
  providers,
}: NonNullable<Awaited<ReturnType<typeof installWithTransformers>>>): Contender {
  const environment = {
    EMBEDDING_BACKEND: "transformers",
    EMBED_TRANSFORMERS_MODEL: "tiny/letters",
    EMBED_TRANSFORMERS_MODEL_PATH: join(folder, "model"),
  };
  return {
    name: "transformers",
    settings: () => resolveProviderSettings(readConfig(environment)),
    vector: undefined,
    prepare: () => writeTinyModel(join(folder, "model")),
    open: providers.openProvider,
  };
}

if (withTransformers === undefined) {
  const [reason, remedy] = WITHOUT_TRANSFORMERS;
  describe.skip(skippedTitle("The backend transformers keeps the contract", reason, remedy), () => {
    test("not run", () => undefined);
  });
}

/** The settings of a hosted service whose address is that of the stand-in. */
function hosted(environment: Readonly<Record<string, string>>): ProviderSettings {
  const template = join(mkdtempSync(join(tmpdir(), "autoembed-")), "template.json");
  const body = { model: "{{model}}", input: "{{texts}}" };
  const rest = { url: server.openAiUrl + "/embeddings", model: "m", body, max_inputs: 3 };
  writeFileSync(template, JSON.stringify({ ...rest, vectors: "data[].embedding" }));
  return resolveProviderSettings(
    readConfig({
      VOYAGE_BASE_URL: server.openAiUrl,
      COHERE_BASE_URL: `${server.url}/v2`,
      GEMINI_BASE_URL: server.openAiUrl,
      VERTEX_BASE_URL: server.openAiUrl,
      VERTEX_PROJECT: "p",
      BEDROCK_BASE_URL: server.url,
      EMBED_REST_TEMPLATE: template,
      ...environment,
    }),
  );
}

/** As everything that calls a provider does: in requests of as many texts as it takes. */
async function embedAll(provider: Provider, texts: readonly string[]): Promise<Float32Array[]> {
  const all: Float32Array[] = [];
  for (const { texts: some } of packTexts(texts, provider.limits)) {
    const { vectors } = await provider.embed(some, "document", never);
    expect(vectors.count).toBe(some.length);
    for (const i of some.keys()) all.push(vectors.at(i));
  }
  return all;
}

describe.each(contenders)("The backend $name keeps the contract", (contender) => {
  const { name, settings, vector, dimensions = DIMENSIONS, prepare, open = openProvider } = contender;
  let provider: Provider;
  beforeAll(async () => {
    await prepare?.();
    provider = await open(settings());
  });
  afterAll(async () => {
    await provider.close();
    server.base64 = undefined;
    server.isOldOllama = false;
  });

  test(`The backend ${name} finds out its dimensions`, () => {
    expect(provider.dimensions).toBe(dimensions);
  });

  test(`The backend ${name} gives each text its own vector, in the order of the texts`, async () => {
    const vectors = await embedAll(provider, TEXTS);
    expect(vectors).toHaveLength(TEXTS.length);
    for (const [i, text] of TEXTS.entries()) {
      const alone = vector?.(text) ?? (await provider.embed([text], "document", never)).vectors.at(0);
      expectNear(vectors[i] ?? new Float32Array(), alone);
    }
  });

  test(`The backend ${name} refuses an empty text as the row's own fault, before anything is sent`, async () => {
    const before = server.counts.requests;
    await expect(provider.embed(["", "a"], "document", never)).rejects.toMatchObject({ kind: "row" });
    expect(server.counts.requests).toBe(before);
  });

  test(`The backend ${name} stops as soon as a call is aborted, with the caller's own reason`, async () => {
    if (vector !== undefined) server.next("hang");
    const controller = new AbortController();
    const reason = new Error("the listener stops");
    const call = provider.embed(TEXTS, "document", controller.signal);
    const requests = server.counts.requests;
    if (vector !== undefined) await expect.poll(() => server.counts.requests).toBeGreaterThan(requests);
    controller.abort(reason);
    await expect(call).rejects.toBe(reason);
    await expect(provider.embed(TEXTS, "document", controller.signal)).rejects.toBe(reason);
  });

  test(`The backend ${name} works again after an abort`, async () => {
    expect((await provider.embed(["again"], "document", never)).vectors.count).toBe(1);
  });

  test(`The backend ${name} refuses to open when its vectors are not of the length that is set`, async () => {
    await expect(open({ ...settings(), dimensions: 1000 })).rejects.toMatchObject({
      name: "ProviderError",
      kind: "setup",
      message: expect.stringContaining(`EMBEDDING_DIM=${provider.dimensions}`) as string,
    });
  });
});

describe("The backend llm_api adapts to its server", () => {
  afterEach(() => {
    server.base64 = undefined;
    server.apiKey = undefined;
    server.models = undefined;
  });

  function settings(more: object = {}): ProviderSettings {
    return { backend: "llm_api", model: "m", baseUrl: server.openAiUrl, timeoutMs: 20_000, ...more };
  }

  test("llm_api asks for base64 once, and no more after a refusal", async () => {
    server.base64 = "refused";
    const provider = await openProvider(settings());
    const before = server.counts.requests;
    await provider.embed(TEXTS, "document", never);
    expect(server.counts.requests).toBe(before + 1);
    expect(server.requests.at(-1)?.body).not.toHaveProperty("encoding_format");
    await provider.close();
  });

  test("llm_api accepts floats from a server that was asked for base64", async () => {
    server.base64 = "ignored";
    const provider = await openProvider(settings());
    const { vectors, tokens } = await provider.embed(TEXTS, "document", never);
    expectNear(vectors.at(3), oracle(TEXTS[3] ?? ""));
    expect(tokens).toBeGreaterThan(0);
    await provider.close();
  });

  test("llm_api sends dimensions to the models that accept them, and the user's own headers, path and fields", async () => {
    const provider = await openProvider(
      settings({
        model: "text-embedding-3-small",
        dimensions: 6,
        apiKey: "sk-secret",
        baseUrl: server.url,
        path: "/openai/deployments/d/embeddings?api-version=2024-10-21",
        headers: { "api-key": "azure-secret" },
        extraBody: { input_type: "document" },
      }),
    );
    const seen = server.requests.at(-1);
    expect(provider.dimensions).toBe(6);
    expect(seen?.path).toBe("/openai/deployments/d/embeddings?api-version=2024-10-21");
    expect(seen?.body).toMatchObject({ dimensions: 6, input_type: "document" });
    expect(seen?.headers).toMatchObject({ "api-key": "azure-secret", authorization: "Bearer sk-secret" });
    await provider.close();
  });

  test.each([
    ["", "/v1/embeddings"],
    ["/", "/v1/embeddings"],
    ["/v1", "/v1/embeddings"],
    ["/v1/", "/v1/embeddings"],
    ["/v1/embeddings", "/v1/embeddings"],
    ["/api/v3", "/api/v3/embeddings"],
    ["/v1?api-version=1", "/v1/embeddings?api-version=1"],
  ])("llm_api turns the base URL's path %j into the request path %j", async (base, path) => {
    const provider = await openProvider(settings({ baseUrl: server.url + base }));
    expect(server.requests.at(-1)?.path).toBe(path);
    await provider.close();
  });

  test("llm_api keeps its connection between requests", async () => {
    const provider = await openProvider(settings());
    const before = server.counts.connections;
    for (let i = 0; i < 20; i++) await provider.embed([`text ${i}`], "document", never);
    expect(server.counts.connections).toBeLessThanOrEqual(before + 1);
    await provider.close();
  });
});

describe("The backend ollama sends what Ollama needs", () => {
  test("ollama reports how to pull a model that is missing, with old servers too", async () => {
    server.models = ["another"];
    for (const old of [false, true]) {
      server.isOldOllama = old;
      const opened = openProvider({
        backend: "ollama",
        model: "bge-m3",
        baseUrl: server.url,
        timeoutMs: 20_000,
      });
      await expect(opened).rejects.toMatchObject({
        kind: "setup",
        message: expect.stringContaining("ollama pull bge-m3") as string,
      });
    }
    server.models = undefined;
    server.isOldOllama = false;
  });

  test("ollama sends keep_alive, options and truncate", async () => {
    const provider = await openProvider({
      backend: "ollama",
      model: "m",
      baseUrl: server.url,
      timeoutMs: 20_000,
      keepAlive: "30m",
      options: { num_ctx: 8192 },
    });
    expect(server.requests.at(-1)?.body).toMatchObject({
      keep_alive: "30m",
      truncate: false,
      options: { num_ctx: 8192 },
    });
    await provider.close();
  });
});

describe("The backend local embeds any text", () => {
  test("local reads the start of a text, and never half a character", async () => {
    const provider = await openProvider({ backend: "local", timeoutMs: 60_000 });
    const start = "has a cough ".repeat(90).slice(0, 999);
    const { vectors } = await provider.embed(
      [`${start}🫀 and more`, start, start.slice(0, 100)],
      "document",
      never,
    );
    expectNear(vectors.at(0), vectors.at(1));
    expect(vectors.at(0)).not.toEqual(vectors.at(2));
    await provider.close();
  });

  test.each([" ", "\n\t ", "\u0000", "\ud800", "患者", "🫀", "​"])(
    "local survives the text %j",
    async (text) => {
      const provider = await openProvider({ backend: "local", timeoutMs: 60_000 });
      const outcome = await provider.embed([text], "document", never).then(
        ({ vectors }) => vectors.count,
        (error: unknown) => (error as ProviderError).kind,
      );
      expect([1, "row"]).toContain(outcome);
      expect((await provider.embed(["fine"], "document", never)).vectors.count).toBe(1);
      await provider.close();
    },
  );
});

function expectNear(actual: Float32Array, expected: Float32Array): void {
  const worst = Math.max(...actual.map((value, i) => Math.abs(value - (expected[i] ?? Number.NaN))));
  expect(worst).toBeLessThan(1e-5);
}
