import { expect, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { openPool } from "../../src/database/pools.ts";
import { readEgress, type Egress } from "../../src/status/egress.ts";
import { runCommand } from "../support/command.ts";
import { prepare, type Listening } from "../support/listening.ts";
import { onTestFinished } from "vitest";

vi.setConfig({ testTimeout: 120_000 });

async function egressOf(
  { environment, database }: Listening,
  overrides: Readonly<Record<string, string>> = {},
): Promise<readonly Egress[]> {
  const db = openPool("command", { DATABASE_URL: database.url });
  try {
    return await readEgress(db, readConfig({ ...environment, ...overrides }));
  } finally {
    await db.destroy();
  }
}

/** Has `patient_embeddings` be embedded by another provider. */
async function embedBy(
  { client }: Listening,
  backend: string,
  model: string,
  settings: object,
): Promise<void> {
  const set = (values: readonly unknown[]) =>
    client.query("update autoembed.embedding_source set backend = $1, model = $2, settings = $3", [
      ...values,
    ]);
  await set([backend, model, JSON.stringify(settings)]);
  onTestFinished(async () => {
    await set([null, null, "{}"]);
  });
}

test("A hosted provider: its host, the variable of its key, names of fields and headers, and no value of them", async () => {
  const on = await prepare();
  const [egress] = await egressOf(on, {
    OPENAI_BASE_URL: "https://api.example.com/v1",
    OPENAI_API_KEY: "sk-secret",
    OPENAI_EMBED_MODEL: "e5-base",
    OPENAI_EXTRA_BODY: '{"user": "clinic-7"}',
    OPENAI_HEADERS: '{"x-tenant": "hidden"}',
  });
  expect(egress).toMatchObject({
    source: "patient_embeddings",
    table: "public.patient_embeddings",
    text: "context_text",
    host: "api.example.com",
    leaves: "another machine",
    destination: {
      backend: "llm_api",
      model: "e5-base",
      address: "https://api.example.com/v1/embeddings",
      keys: ["OPENAI_API_KEY"],
      headers: ["x-tenant"],
      fields: { document: ["user"], query: ["user"] },
      sent: { document: { prefix: "passage: " }, query: { prefix: "query: " } },
    },
  });
  expect(JSON.stringify(egress)).not.toMatch(/sk-secret|clinic-7|hidden/);
});

test("What stays here is said to: a model in the process, and a server on a loopback address", async () => {
  const on = await prepare();
  const [local] = await egressOf(on, { EMBEDDING_BACKEND: "local", EMBEDDING_DIM: "512" });
  expect(local).toMatchObject({
    host: null,
    leaves: "this process only",
    destination: { address: null, keys: [] },
  });
  const [loopback] = await egressOf(on, {
    EMBEDDING_BACKEND: "ollama",
    OLLAMA_BASE_URL: "http://[::1]:11434",
  });
  expect(loopback).toMatchObject({
    host: null,
    leaves: "this machine only",
    destination: { backend: "ollama" },
  });
});

test("A source's own provider counts, also when its key is not set here", async () => {
  const on = await prepare();
  const settings = { base_url: "https://elsewhere.example/v1", api_key_env: "CLINIC_API_KEY" };
  await embedBy(on, "llm_api", "their-model", settings);
  const [egress] = await egressOf(on);
  expect(egress).toMatchObject({
    host: "elsewhere.example",
    destination: { model: "their-model", keys: ["CLINIC_API_KEY"] },
  });
});

test("Settings with a fault are not known, and say what to do", async () => {
  const on = await prepare();
  await embedBy(on, "vertex", "gemini-embedding-001", {});
  const [egress] = await egressOf(on);
  expect(egress).toMatchObject({ leaves: "not known", destination: null });
  expect(egress?.problem).toContain("VERTEX_PROJECT is not set.");
});

test("A reranker is shown: where texts of rows go when a search asks for it, its model, and the variable of its key", async () => {
  const on = await prepare();
  expect(await egressOf(on)).toMatchObject([{ reranker: null }]);
  const settings = { RERANK_BACKEND: "cohere", RERANK_API_KEY: "hidden-key" };
  const [egress] = await egressOf(on, settings);
  expect(egress?.reranker).toEqual({
    host: "api.cohere.com",
    leaves: "another machine",
    destination: {
      backend: "cohere",
      model: "rerank-v3.5",
      address: "https://api.cohere.com/v2/rerank",
      keys: ["RERANK_API_KEY"],
    },
  });
  const environment = { ...on.environment, ...settings };
  const described = runCommand(["egress"], environment);
  expect(await described.exited).toBe(0);
  expect(described.stdout()).toContain("api.cohere.com: https://api.cohere.com/v2/rerank");
  expect(described.stdout()).toContain("texts of rows, where a search asks to rerank");
  expect(described.stdout()).toContain("reranked searches");
  expect(described.stdout()).not.toContain("hidden-key");
  const erase = runCommand(["erase", "--source", "patient_embeddings", "--key", "5"], environment);
  expect(await erase.exited).toBe(0);
  expect(erase.stdout()).toContain("the reranker (api.cohere.com)");
});

test("What was sent is counted: today, and in seven days", async () => {
  const on = await prepare();
  const listener = await on.listen();
  await on.client.query("insert into patient_embeddings values (1, 'asthma'), (2, 'gout')");
  await listener.whenDrained();
  await listener.stop();
  await on.client.query(`
    insert into autoembed.embedding_usage (source_id, day, embedded, requests, tokens)
    select source_id, day - d, 10, 5, 100 from autoembed.embedding_usage, (values (6), (7)) o(d)`);
  const command = runCommand(["egress", "--json"], on.environment);
  expect(await command.exited).toBe(0);
  const [egress] = JSON.parse(command.stdout()) as Egress[];
  expect(egress?.today).toMatchObject({ rows: 2 });
  expect(egress?.today.requests).toBeGreaterThan(0);
  expect(egress?.today.tokens).toBeGreaterThan(0);
  expect(egress?.last_7_days).toEqual({
    rows: 12,
    requests: (egress?.today.requests ?? 0) + 5,
    tokens: (egress?.today.tokens ?? 0) + 100,
  });
  const described = runCommand(["egress"], on.environment);
  expect(await described.exited).toBe(0);
  expect(described.stdout()).toContain("stays on this machine");
  expect(described.stdout()).not.toMatch(/asthma|test-key/);
});
