import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "dotenv";
import { afterAll, expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { openReranker } from "../../src/providers/rerank/reranker.ts";
import { withProvider } from "../../src/providers/with-provider.ts";
import { NO_OVERRIDES, resolveProviderSettings } from "../../src/providers/resolve-provider-settings.ts";
import { oracleVector } from "../support/oracle-vector.ts";
import { recipesOf } from "../support/recipes.ts";
import { startReranker } from "../support/rerank-server.ts";
import { startSpelledProvider } from "../support/spelled-provider.ts";
import { TINY_DIMENSIONS, writeTinyModel } from "../support/tiny-model.ts";
import { installWithTransformers } from "../support/transformers-library.ts";

const DIMENSIONS = 8;
const never = new AbortController().signal;

/** The settings and the templates that the page shows, in its order. */
async function documented(): Promise<{ settings: Record<string, string>[]; templates: string[] }> {
  const blocks = await recipesOf("docs/providers.md");
  const of = (language: string) =>
    blocks.flatMap((block) => (block.language === language ? [block.body] : []));
  return { settings: of("ini").map((body) => parse(body)), templates: of("json") };
}

async function settingsFor(backend: string): Promise<Record<string, string>> {
  const { settings } = await documented();
  const found = settings.filter((each) => each["EMBEDDING_BACKEND"] === backend);
  expect(found).toHaveLength(1);
  return found[0] ?? {};
}

async function embed(environment: Readonly<Record<string, string>>): Promise<Float32Array> {
  const config = readConfig({ ...environment, EMBEDDING_DIM: String(DIMENSIONS) });
  return await withProvider(config, NO_OVERRIDES, {}, async (provider) =>
    (await provider.embed(["asthma"], "document", never)).vectors.at(0),
  );
}

const withTransformers = await installWithTransformers();
afterAll(() => withTransformers?.remove());
test.skipIf(withTransformers === undefined)(
  "The documented settings of transformers embed a text, with a model in a folder",
  async () => {
    const { folder, providers } = withTransformers ?? expect.unreachable();
    const model = join(folder, "model");
    await writeTinyModel(model);
    const settings = await settingsFor("transformers");
    const config = readConfig({ ...settings, EMBED_TRANSFORMERS_MODEL_PATH: model });
    const provider = await providers.openProvider(resolveProviderSettings(config));
    onTestFinished(() => provider.close());
    expect((await provider.embed(["asthma"], "document", never)).vectors.at(0)).toHaveLength(TINY_DIMENSIONS);
  },
);

test("The documented settings of rest embed a text by the documented template", async () => {
  const server = await startSpelledProvider(({ body }) => {
    const inputs = body["inputs"] as string[];
    const results = inputs.map((text, position) => ({
      position,
      vector: Array.from(oracleVector(text, DIMENSIONS)),
    }));
    return { body: { results, usage: { tokens: 2 } } };
  });
  onTestFinished(() => server.close());
  const settings = await settingsFor("rest");
  const template = JSON.parse((await documented()).templates[0] ?? "") as { url: string };
  const file = join(mkdtempSync(join(tmpdir(), "autoembed-")), "my-provider.json");
  const url = template.url.replace("https://embeddings.example.com/v2", server.url);
  expect(url).not.toBe(template.url);
  writeFileSync(file, JSON.stringify({ ...template, url }));
  vi.stubEnv("NOTES_API_KEY", settings["NOTES_API_KEY"] ?? "");
  onTestFinished(() => void vi.unstubAllEnvs());
  expect(await embed({ ...settings, EMBED_REST_TEMPLATE: file })).toEqual(oracleVector("asthma", DIMENSIONS));
  expect(server.requests[0]).toMatchObject({
    path: "/v1/notes-large/embed",
    headers: { "x-api-key": "secret" },
    body: { purpose: "passage", truncate: false },
  });
  expect(readFileSync(".env.example", "utf8")).toContain("# EMBED_REST_TEMPLATE=./my-provider.json");
});

test("The documented settings of a reranker rank texts", async () => {
  const server = await startReranker("tei");
  const { settings } = await documented();
  const [given = {}] = settings.filter((each) => each["RERANK_BACKEND"] === "tei");
  const reranker = openReranker(readConfig({ ...given, RERANK_BASE_URL: server.url }));
  onTestFinished(() => reranker?.close());
  expect(await reranker?.scores("asthma", ["a", "bb"])).toEqual([0.01, 0.02]);
});
