import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { withProvider } from "../../src/providers/with-provider.ts";
import { NO_OVERRIDES } from "../../src/providers/resolve-provider-settings.ts";
import { startSpelledProvider } from "../support/spelled-provider.ts";
import { startProviderServer, type ProviderServer } from "../support/provider-server.ts";

afterEach(() => {
  vi.unstubAllEnvs();
});

/** Embeds one text with these settings of the environment and of a source. */
async function embed(
  environment: Readonly<Record<string, string>>,
  settings: Readonly<Record<string, unknown>> = {},
): Promise<unknown> {
  const config = readConfig({ EMBEDDING_BACKEND: "openai", EMBEDDING_DIM: "8", ...environment });
  return await withProvider(config, { ...NO_OVERRIDES, settings }, { dimensions: 8 }, (provider) =>
    provider.embed(["text"], "document", new AbortController().signal),
  );
}

async function serverThatWants(apiKey: string): Promise<ProviderServer> {
  const server = await startProviderServer({ dimensions: 8 });
  onTestFinished(() => server.close());
  server.apiKey = apiKey;
  return server;
}

test("Without OPENAI_API_KEY nothing is sent to OpenAI's own address, and the message says what is missing", async () => {
  // A request that is sent all the same ends here, at a proxy that does not exist.
  vi.stubEnv("HTTPS_PROXY", "http://127.0.0.1:9");
  const says = "OPENAI_API_KEY is not set, and https://api.openai.com needs a key. Nothing was sent.";
  await expect(embed({})).rejects.toMatchObject({ kind: "setup", message: says });
  await expect(embed({ OPENAI_API_KEY: "key" })).rejects.toMatchObject({ kind: "unavailable" });
  await expect(embed({ OPENAI_HEADERS: '{"Authorization": "Bearer key"}' })).rejects.toMatchObject({
    kind: "unavailable",
  });
});

test.each([
  ["voyage", "VOYAGE_API_KEY"],
  ["cohere", "COHERE_API_KEY"],
  ["gemini", "GEMINI_API_KEY"],
  ["vertex", "VERTEX_ACCESS_TOKEN"],
  ["bedrock", "AWS_BEARER_TOKEN_BEDROCK"],
])("Without its key nothing is sent to the address of %s", async (backend, keyName) => {
  vi.stubEnv("HTTPS_PROXY", "http://127.0.0.1:9");
  await expect(embed({ EMBEDDING_BACKEND: backend, VERTEX_PROJECT: "p" })).rejects.toMatchObject({
    kind: "setup",
    message: expect.stringMatching(`^${keyName} is not set, and https://`) as string,
  });
});

test("A server other than OpenAI's is asked without a key", async () => {
  const server = await startProviderServer({ dimensions: 8 });
  onTestFinished(() => server.close());
  await embed({ OPENAI_BASE_URL: server.openAiUrl });
  expect(server.counts.requests).toBe(1);
});

test("A source's own server that refuses a request without a key leads to --api-key-env, and not to OPENAI_API_KEY", async () => {
  const server = await serverThatWants("their-key");
  const refused = embed({ OPENAI_API_KEY: "our-key" }, { base_url: server.openAiUrl });
  await expect(refused).rejects.toMatchObject({
    kind: "setup",
    message: expect.stringMatching(
      /answered 401.*No key was sent.*name the variable of its key with --api-key-env\.$/,
    ) as string,
  });
  expect(JSON.stringify(server.requests.map(({ headers }) => headers))).not.toContain("our-key");
});

test("A refused key is named by the variable that it came from", async () => {
  vi.stubEnv("THEIR_API_KEY", "wrong");
  const { openAiUrl: base_url } = await serverThatWants("right");
  const own = embed({ OPENAI_API_KEY: "key" }, { base_url, api_key_env: "THEIR_API_KEY" });
  await expect(own).rejects.toThrow(/answered 401.*Check THEIR_API_KEY/);
  const environment = embed({ OPENAI_BASE_URL: base_url, OPENAI_API_KEY: "wrong" });
  await expect(environment).rejects.toThrow(/answered 401.*Check OPENAI_API_KEY/);
});

async function serverWithoutTheAddress(): Promise<string> {
  const server = await startSpelledProvider(() => ({ status: 404, body: { error: "not found" } }));
  onTestFinished(() => server.close());
  return server.url;
}

test.each(["openai", "voyage", "ollama"])(
  "At a 404 of a source's own server, %s names what the source was watched with",
  async (EMBEDDING_BACKEND) => {
    const refused = embed({ EMBEDDING_BACKEND }, { base_url: await serverWithoutTheAddress() });
    await expect(refused).rejects.toThrow(/answered 404.*Check the source's --base-url and \w+_EMBED_MODEL/);
  },
);

test("At a 404 of the environment's server its setting is named, and the source's model where it has one", async () => {
  const config = readConfig({
    EMBEDDING_BACKEND: "openai",
    OPENAI_BASE_URL: await serverWithoutTheAddress(),
  });
  const refused = withProvider(config, { ...NO_OVERRIDES, model: "m" }, { dimensions: 8 }, (provider) =>
    provider.embed(["text"], "document", new AbortController().signal),
  );
  await expect(refused).rejects.toThrow(
    /answered 404.*Check OPENAI_BASE_URL and the source's --model \("m"\)/,
  );
});

test("The environment's key is never sent to a source's own server, whatever variable the source names", async () => {
  vi.stubEnv("OPENAI_API_KEY", "our-key");
  vi.stubEnv("COPIED_API_KEY", "our-key");
  vi.stubEnv("OPENAI_QUERY_API_KEY", "our-key-for-questions");
  vi.stubEnv("COPIED_QUERY_API_KEY", "our-key-for-questions");
  const { openAiUrl: base_url, requests } = await serverThatWants("our-key");
  const names = ["OPENAI_API_KEY", "COPIED_API_KEY", "OPENAI_QUERY_API_KEY", "COPIED_QUERY_API_KEY"];
  for (const api_key_env of names)
    await expect(embed({ OPENAI_API_KEY: "our-key" }, { base_url, api_key_env })).rejects.toThrow(
      "is not sent to another server",
    );
  expect(requests).toEqual([]);
});

test.each([
  ["voyage", "OPENAI_API_KEY"],
  ["cohere", "OPENAI_QUERY_API_KEY"],
  ["gemini", "VOYAGE_API_KEY"],
  ["openai", "COHERE_API_KEY"],
  ["openai", "RERANK_API_KEY"],
])("Beside the backend %s too, %s goes to no server but its own", async (backend, api_key_env) => {
  vi.stubEnv(api_key_env, "our-key");
  const { openAiUrl: base_url, requests } = await serverThatWants("our-key");
  const environment = { EMBEDDING_BACKEND: backend, RERANK_BACKEND: "cohere", [api_key_env]: "our-key" };
  await expect(embed(environment, { base_url, api_key_env })).rejects.toThrow(
    "is not sent to another server",
  );
  await expect(embed(environment, { api_key_env })).rejects.toThrow("is not sent to another server");
  expect(requests).toEqual([]);
});

test("A key for a reranker that is not chosen goes to no server but that of RERANK_BASE_URL", async () => {
  vi.stubEnv("RERANK_API_KEY", "our-key");
  const { openAiUrl: base_url, requests } = await serverThatWants("our-key");
  const own = { base_url, api_key_env: "RERANK_API_KEY" };
  const elsewhere: readonly Readonly<Record<string, string>>[] = [
    {},
    { RERANK_BASE_URL: "http://127.0.0.1:9" },
  ];
  for (const environment of elsewhere)
    await expect(embed({ RERANK_API_KEY: "our-key", ...environment }, own)).rejects.toThrow(
      "is not sent to another server",
    );
  expect(requests).toEqual([]);
  await embed({ RERANK_API_KEY: "our-key", RERANK_BASE_URL: base_url }, own);
});

test.each(["OPENAI_API_KEY", "VOYAGE_QUERY_API_KEY", "VERTEX_ACCESS_TOKEN", "RERANK_API_KEY"])(
  "The value of %s goes to no server but its own by another name, whichever backend a source has",
  async (ours) => {
    vi.stubEnv("TEAM_API_KEY", "our-key");
    const { openAiUrl: base_url, requests } = await serverThatWants("our-key");
    for (const EMBEDDING_BACKEND of ["openai", "voyage", "cohere"])
      await expect(
        embed({ EMBEDDING_BACKEND, [ours]: "our-key" }, { base_url, api_key_env: "TEAM_API_KEY" }),
      ).rejects.toThrow("is not sent to another server");
    expect(requests).toEqual([]);
  },
);

test("A value that is the key of two servers goes to both", async () => {
  const { openAiUrl: base_url } = await serverThatWants("our-key");
  await embed({ OPENAI_BASE_URL: base_url, OPENAI_API_KEY: "our-key", VOYAGE_API_KEY: "our-key" });
});

test("A key of the environment goes to its own server by another backend", async () => {
  vi.stubEnv("VOYAGE_API_KEY", "our-key");
  const { openAiUrl: base_url } = await serverThatWants("our-key");
  await embed({ VOYAGE_BASE_URL: base_url }, { base_url, api_key_env: "VOYAGE_API_KEY" });
});

test("A source may name a key that the configuration has read from a file", async () => {
  const file = join(await mkdtemp(join(tmpdir(), "key-")), "voyage");
  onTestFinished(() => rm(dirname(file), { recursive: true }));
  await writeFile(file, "key-in-a-file\n");
  const { openAiUrl: base_url } = await serverThatWants("key-in-a-file");
  const environment = { VOYAGE_BASE_URL: base_url, VOYAGE_API_KEY_FILE: file };
  await embed(environment, { base_url, api_key_env: "VOYAGE_API_KEY" });
});
