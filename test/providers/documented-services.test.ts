import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "dotenv";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { withProvider } from "../../src/providers/with-provider.ts";
import { NO_OVERRIDES } from "../../src/providers/resolve-provider-settings.ts";
import { oracleVector } from "../support/oracle-vector.ts";
import { startProviderServer } from "../support/provider-server.ts";
import { recipesOf } from "../support/recipes.ts";
import { AUTHORITY, startStandInInternet } from "../support/stand-in-internet.ts";

const never = new AbortController().signal;
const TEXT = "asthma";
const BASE64 = { encoding_format: "base64" };
const BEARER = { authorization: "Bearer my-key" };

/** What a service is sent by the block of settings that its paragraph shows. */
interface Expected {
  readonly address: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** With a text of a row. */
  readonly document: Readonly<Record<string, unknown>>;
  /** With a question; by default the same. */
  readonly query?: Readonly<Record<string, unknown>>;
}

const input = (prefix = ""): { input: string[] } => ({ input: [prefix + TEXT] });
const google = (taskType: string) => ({
  requests: [
    {
      model: "models/gemini-embedding-001",
      content: { parts: [{ text: TEXT }] },
      taskType,
      outputDimensionality: 1536,
    },
  ],
});

/** By the name that the paragraph begins with. */
const SERVICES: Readonly<Record<string, Expected>> = {
  OpenAI: {
    address: "api.openai.com/v1/embeddings",
    headers: BEARER,
    document: { model: "text-embedding-3-small", ...input(), ...BASE64, dimensions: 1536 },
  },
  "Azure OpenAI": {
    address: "my-resource.openai.azure.com/openai/v1/embeddings",
    headers: { "api-key": "my-key" },
    document: { model: "my-deployment", ...input(), ...BASE64 },
  },
  "Azure OpenAI with Entra ID": {
    address: "my-resource.openai.azure.com/openai/v1/embeddings",
    headers: { authorization: "Bearer of-the-command" },
    document: { model: "my-deployment", ...input(), ...BASE64 },
  },
  vLLM: {
    address: "vllm.internal:8000/v1/embeddings",
    document: { model: "Qwen/Qwen3-Embedding-0.6B", ...input(), ...BASE64 },
    query: {
      model: "Qwen/Qwen3-Embedding-0.6B",
      ...input(
        "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:",
      ),
      ...BASE64,
    },
  },
  LiteLLM: {
    address: "litellm.internal:4000/v1/embeddings",
    headers: BEARER,
    document: { model: "my-embeddings", ...input(), ...BASE64 },
  },
  OpenRouter: {
    address: "openrouter.ai/api/v1/embeddings",
    headers: BEARER,
    document: { model: "qwen/qwen3-embedding-8b", ...input(), ...BASE64 },
    query: { model: "qwen/qwen3-embedding-8b", input: [expect.stringMatching(/\nQuery:asthma$/)], ...BASE64 },
  },
  Mistral: {
    address: "api.mistral.ai/v1/embeddings",
    headers: BEARER,
    document: { model: "mistral-embed", ...input(), ...BASE64 },
  },
  DashScope: {
    address: "dashscope-intl.aliyuncs.com/compatible-mode/v1/embeddings",
    headers: BEARER,
    document: { model: "text-embedding-v4", ...input(), ...BASE64, dimensions: 1024 },
  },
  Voyage: {
    address: "api.voyageai.com/v1/embeddings",
    headers: BEARER,
    document: {
      model: "voyage-3.5",
      ...input(),
      input_type: "document",
      truncation: false,
      output_dimension: 1024,
    },
    query: {
      model: "voyage-3.5",
      ...input(),
      input_type: "query",
      truncation: false,
      output_dimension: 1024,
    },
  },
  Cohere: {
    address: "api.cohere.com/v2/embed",
    headers: BEARER,
    document: {
      model: "embed-v4.0",
      texts: [TEXT],
      input_type: "search_document",
      embedding_types: ["float"],
      truncate: "NONE",
      output_dimension: 1024,
    },
    query: {
      model: "embed-v4.0",
      texts: [TEXT],
      input_type: "search_query",
      embedding_types: ["float"],
      truncate: "NONE",
      output_dimension: 1024,
    },
  },
  Gemini: {
    address: "generativelanguage.googleapis.com/v1beta/models/gemini-embedding-001:batchEmbedContents",
    headers: { "x-goog-api-key": "my-key" },
    document: google("RETRIEVAL_DOCUMENT"),
    query: google("RETRIEVAL_QUERY"),
  },
  "Vertex AI": {
    address:
      "europe-west4-aiplatform.googleapis.com/v1/projects/my-project/locations/europe-west4/publishers/google/models/text-embedding-005:predict",
    headers: { authorization: "Bearer of-the-command" },
    document: {
      instances: [{ content: TEXT, task_type: "RETRIEVAL_DOCUMENT" }],
      parameters: { autoTruncate: false },
    },
    query: {
      instances: [{ content: TEXT, task_type: "RETRIEVAL_QUERY" }],
      parameters: { autoTruncate: false },
    },
  },
  "Amazon Bedrock": {
    address: "bedrock-runtime.eu-central-1.amazonaws.com/model/cohere.embed-v4%3A0/invoke",
    headers: BEARER,
    document: {
      texts: [TEXT],
      input_type: "search_document",
      embedding_types: ["float"],
      truncate: "NONE",
    },
    query: { texts: [TEXT], input_type: "search_query", embedding_types: ["float"], truncate: "NONE" },
  },
  Jina: {
    address: "api.jina.ai/v1/embeddings",
    headers: BEARER,
    document: {
      model: "jina-embeddings-v3",
      ...input(),
      ...BASE64,
      dimensions: 1024,
      task: "retrieval.passage",
    },
    query: { model: "jina-embeddings-v3", ...input(), ...BASE64, dimensions: 1024, task: "retrieval.query" },
  },
  NVIDIA: {
    address: "integrate.api.nvidia.com/v1/embeddings",
    headers: BEARER,
    document: {
      model: "nvidia/llama-3.2-nv-embedqa-1b-v2",
      ...input(),
      ...BASE64,
      input_type: "passage",
      truncate: "NONE",
    },
    query: {
      model: "nvidia/llama-3.2-nv-embedqa-1b-v2",
      ...input(),
      ...BASE64,
      input_type: "query",
      truncate: "NONE",
    },
  },
  "llama.cpp": {
    address: "llama.internal:8080/v1/embeddings",
    document: { model: "nomic-embed-text-v1.5", ...input("search_document: "), ...BASE64 },
    query: { model: "nomic-embed-text-v1.5", ...input("search_query: "), ...BASE64 },
  },
  "text-embeddings-inference": {
    address: "tei.internal:8080/v1/embeddings",
    document: { model: "intfloat/multilingual-e5-large", ...input("passage: "), ...BASE64 },
    query: { model: "intfloat/multilingual-e5-large", ...input("query: "), ...BASE64 },
  },
  "LM Studio": {
    address: "127.0.0.1:1234/v1/embeddings",
    document: { model: "text-embedding-nomic-embed-text-v1.5", ...input("search_document: "), ...BASE64 },
    query: { model: "text-embedding-nomic-embed-text-v1.5", ...input("search_query: "), ...BASE64 },
  },
  Ollama: {
    address: "127.0.0.1:11434/api/embed",
    document: { model: "nomic-embed-text", ...input("search_document: "), truncate: false },
    query: { model: "nomic-embed-text", ...input("search_query: "), truncate: false },
  },
};
/** Run by `documented-configurations.test.ts`, and by every test that needs no server. */
const ELSEWHERE = ["local", "transformers", "## A service with another request", "## A reranker"];

/** The blocks of settings in the page, each with the name or the heading that stands before it. */
async function blocks(): Promise<{ title: string; settings: Record<string, string> }[]> {
  const lines = readFileSync("docs/providers.md", "utf8").split("\n");
  const recipes = (await recipesOf("docs/providers.md")).filter(({ language }) => language === "ini");
  return recipes.map(({ line, body }) => {
    const before = lines.slice(0, line - 1).findLast((each) => /^(\*\*.+\.\*\*|## )/.test(each)) ?? "";
    return { title: /^\*\*(.+?)\.\*\*/.exec(before)?.[1] ?? before, settings: parse(body) };
  });
}

test("Every service that the page names has a block of settings, and each is run", async () => {
  const titles = (await blocks()).map(({ title }) => title);
  const known = [...Object.keys(SERVICES), ...ELSEWHERE];
  expect(titles.filter((title) => !known.some((each) => title.startsWith(each)))).toEqual([]);
  expect(Object.keys(SERVICES).filter((title) => !titles.includes(title))).toEqual([]);
});

describe.each(Object.entries(SERVICES))("The documented settings of %s", (title, expected) => {
  test("embed a row's text and a question, as the service's documentation has its requests", async () => {
    const found = (await blocks()).filter((block) => block.title === title);
    expect(found).toHaveLength(1);
    const [{ settings } = { settings: {} as Record<string, string> }] = found;
    const dimensions = Number(settings["EMBEDDING_DIM"] ?? 8);
    const server = await startProviderServer({ dimensions });
    onTestFinished(() => server.close());
    const internet = await startStandInInternet(server.url);
    onTestFinished(internet.close);
    for (const [name, value] of Object.entries({
      HTTPS_PROXY: internet.proxyUrl,
      HTTP_PROXY: internet.proxyUrl,
      NO_PROXY: "",
      PATH: `${commands()}:${process.env["PATH"] ?? ""}`,
    }))
      vi.stubEnv(name, value);
    onTestFinished(() => void vi.unstubAllEnvs());
    const config = readConfig({ ...atStandIn(settings, server.url), EMBED_CA_FILE: AUTHORITY });
    await withProvider(config, NO_OVERRIDES, {}, async (provider) => {
      for (const role of ["document", "query"] as const) {
        const { vectors } = await provider.embed([TEXT], role, never);
        const { texts, headers, body, path } = server.requests.at(-1) ?? expect.unreachable();
        expect(vectors.at(0)).toEqual(oracleVector(texts[0] ?? "", dimensions));
        expect(body).toEqual(expected[role] ?? expected.document);
        expect(headers).toMatchObject(expected.headers ?? {});
        const isHere = expected.address.startsWith("127.0.0.1");
        expect(isHere ? `127.0.0.1${path}` : `${headers.host ?? ""}${path}`).toBe(
          isHere ? expected.address.replace(/:\d+/, "") : expected.address,
        );
      }
    });
  });
});

/** This machine is never asked through a proxy. */
function atStandIn(settings: Readonly<Record<string, string>>, url: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [name, value.replace(/^http:\/\/127\.0\.0\.1:\d+/, url)]),
  );
}

/** `az` and `gcloud`, which print a token for the arguments that the page gives them. */
function commands(): string {
  const folder = mkdtempSync(join(tmpdir(), "autoembed-"));
  onTestFinished(() => {
    rmSync(folder, { recursive: true });
  });
  const asked = {
    gcloud: "auth print-access-token",
    az: "account get-access-token --resource https://cognitiveservices.azure.com --query accessToken -o tsv",
  };
  for (const [name, words] of Object.entries(asked))
    writeFileSync(join(folder, name), `#!/bin/sh\n[ "$*" = '${words}' ] && echo of-the-command\n`, {
      mode: 0o755,
    });
  return folder;
}
