import { expect, onTestFinished, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { withProvider } from "../../src/providers/with-provider.ts";
import { openReranker } from "../../src/providers/rerank/reranker.ts";
import { NO_OVERRIDES } from "../../src/providers/resolve-provider-settings.ts";
import type { Embeddings } from "../../src/providers/provider.ts";
import { estimateTokens } from "../../src/providers/token-count.ts";
import { startReranker } from "../support/rerank-server.ts";
import { startSpelledProvider, type SpelledAnswer } from "../support/spelled-provider.ts";

const never = new AbortController().signal;
const TEXTS = ["asthma", "a broken wrist"];
const VECTOR = [1, 0, 0, 0, 0, 0, 0, 0];

/** What comes of an answer, by the settings that lead to a stand-in's address. */
async function embedded(
  settings: (url: string) => Readonly<Record<string, string>>,
  answer: SpelledAnswer,
): Promise<Embeddings> {
  const server = await startSpelledProvider(() => answer);
  onTestFinished(() => server.close());
  const config = readConfig(settings(server.url));
  return await withProvider(config, NO_OVERRIDES, { dimensions: 8 }, (provider) =>
    provider.embed(TEXTS, "document", never),
  );
}

const vertex = (url: string) => ({
  EMBEDDING_BACKEND: "vertex",
  VERTEX_PROJECT: "p",
  VERTEX_EMBED_MODEL: "text-embedding-005",
  VERTEX_ACCESS_TOKEN: "t",
  VERTEX_BASE_URL: url,
});
const ollama = (url: string) => ({ EMBEDDING_BACKEND: "ollama", OLLAMA_BASE_URL: url });
const gemini = (url: string) => ({
  EMBEDDING_BACKEND: "gemini",
  GEMINI_API_KEY: "k",
  GEMINI_BASE_URL: url,
});

test.each([
  [[3, 0], 3],
  [[3, 4], 7],
  [[3, -4], estimateTokens(TEXTS)],
  [[3, undefined], estimateTokens(TEXTS)],
])("Vertex counts %j tokens for two texts as %d", async (counts, tokens) => {
  const predictions = counts.map((token_count) => ({
    embeddings: { values: VECTOR, statistics: { token_count } },
  }));
  expect((await embedded(vertex, { body: { predictions } })).tokens).toBe(tokens);
});

test.each([
  [ollama, { embeddings: [VECTOR, null] }],
  [gemini, { embeddings: [{ values: VECTOR }, {}] }],
  [vertex, { predictions: [{ embeddings: { values: VECTOR } }, null] }],
])(
  "An answer in which one vector is missing is named by its place, and nothing of it is taken",
  async (settings, body) => {
    await expect(embedded(settings, { body })).rejects.toMatchObject({
      kind: "unavailable",
      message: expect.stringMatching(/gave no vector at index 1\. Run the command again/) as string,
    });
  },
);

test.each([
  [429, "throttled"],
  [401, "setup"],
  [503, "unavailable"],
])("Ollama behind a gateway that says %d within a 200 is %s", async (code, kind) => {
  await expect(embedded(ollama, { body: { error: { code } } })).rejects.toMatchObject({ kind });
});

test.each([-5, 0.5, 1e300, "7", null])(
  "A reranker's tokens are estimated where it reports %j of them",
  async (total_tokens) => {
    const server = await startReranker("jina", (texts) => ({
      body: {
        results: texts.map((_, index) => ({ index, relevance_score: 1 })),
        usage: { total_tokens },
      },
    }));
    const reranker = openReranker(readConfig(server.environment));
    onTestFinished(() => reranker?.close());
    const charged: number[] = [];
    await reranker?.scores("a cough", TEXTS, never, ({ tokens }) => charged.push(tokens));
    // As those of an embedding are: by bytes, so that a script with few characters has no fewer.
    await reranker?.scores("咳嗽", ["哮喘"], never, ({ tokens }) => charged.push(tokens));
    expect(charged).toEqual([10, 3]);
  },
);
