import { expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { connect } from "../../src/database/connect.ts";
import { setPaused } from "../../src/sources/set-paused.ts";
import { collectStatus } from "../../src/status/collect-status.ts";
import { watch, type WatchOptions } from "../../src/watch/watch.ts";
import { prepare, wrongRows } from "../support/listening.ts";
import { startProviderServer } from "../support/provider-server.ts";

const WAIT = { timeout: 30_000, interval: 50 };
vi.setConfig({ testTimeout: 180_000 });
const OWN_DIMENSIONS = 5;

async function prepareOwnProvider() {
  const listening = await prepare();
  const own = await startProviderServer({ dimensions: OWN_DIMENSIONS });
  onTestFinished(() => own.close());
  const db = connect({ databaseUrl: listening.database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  await listening.client.query(`drop schema if exists app cascade; create schema app;
    create table app.tickets (id int primary key, body text)`);
  const options: WatchOptions = {
    table: "app.tickets",
    text: "body",
    name: "tickets",
    backend: "llm_api",
    model: "their-model",
    dimensions: OWN_DIMENSIONS,
    settings: { base_url: own.openAiUrl },
  };
  return {
    ...listening,
    own,
    db,
    watch: (settings: WatchOptions["settings"] = {}) =>
      watch(db, readConfig(listening.environment), {
        ...options,
        settings: { ...options.settings, ...settings },
      }),
  };
}

test("Each source is embedded by its own provider, with its own model, vector length and key", async () => {
  const { client, own, provider, listen, watch } = await prepareOwnProvider();
  vi.stubEnv("THEIR_API_KEY", "their-key");
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
  own.apiKey = "their-key";
  provider.apiKey = "test-key";
  await watch({ api_key_env: "THEIR_API_KEY" });
  const listener = await listen();
  await client.query(`insert into app.tickets values (1, 'theirs');
    insert into patient_embeddings values (1, 'ours')`);
  await listener.whenDrained();
  expect(await wrongRows(client)).toEqual([]);
  const { rows } = await client.query("select vector_dims(embedding) as n from app.tickets");
  expect(rows).toEqual([{ n: OWN_DIMENSIONS }]);
  expect(own.requests.map(({ body }) => body["model"])).toContain("their-model");
});

test("A source has a path, fields, a text length and a way with long texts of its own, and others keep the environment's", async () => {
  const { client, own, provider, listen, watch } = await prepareOwnProvider();
  await watch({
    path: "/v1/embeddings?api-version=1",
    extra_body: { user: "tickets" },
    document_extra_body: { task: "passage" },
    send_dimensions: true,
    max_text_characters: 10,
    on_too_long: "truncate",
  });
  const listener = await listen({ OPENAI_EXTRA_BODY: '{"user":"all"}', EMBED_MAX_TEXT_CHARACTERS: "12" });
  await client.query(`insert into app.tickets values (1, '1234567890 is cut');
    insert into patient_embeddings values (1, '123456789012 fails'), (2, 'short')`);
  await listener.whenDrained();
  const theirs = own.requests.filter(({ texts }) => texts.includes("1234567890"));
  expect(theirs.map(({ body }) => body)).toMatchObject([
    { user: "tickets", task: "passage", dimensions: OWN_DIMENSIONS },
  ]);
  const ours = provider.requests.filter(({ texts }) => texts.includes("short"));
  expect(ours.map(({ body }) => body["user"])).toEqual(["all"]);
  expect(await wrongRows(client)).toEqual(["1"]);
});

test("A row of a source is given up at its own time of a request", async () => {
  const { client, own, listen, watch } = await prepareOwnProvider();
  await watch({ timeout_ms: 300 });
  own.always("hang");
  await client.query("insert into app.tickets values (1, 'waits')");
  const listener = await listen({ EMBEDDING_TIMEOUT: "60000" });
  await vi.waitFor(() => {
    expect(
      listener
        .describeProviders()
        .map(({ reason }) => reason)
        .join(),
    ).toContain("within 300 ms");
  }, WAIT);
});

test("The environment's key is not sent to a server that a source names", async () => {
  const { client, own, listen, watch } = await prepareOwnProvider();
  await watch();
  const listener = await listen();
  await client.query("insert into app.tickets values (1, 'a text')");
  await listener.whenDrained();
  expect(own.requests.length).toBeGreaterThan(0);
  expect(own.requests.flatMap(({ headers }) => headers.authorization ?? [])).toEqual([]);
});

test.each(["hang", 401, 503] as const)(
  "A provider that answers with %s delays no other source",
  async (fault) => {
    const { client, own, listen, watch } = await prepareOwnProvider();
    await watch();
    own.always(fault);
    await client.query("insert into app.tickets values (1, 'waits')");
    await listen({ EMBEDDING_TIMEOUT: "20000" });
    await client.query("insert into patient_embeddings values (1, 'does not wait')");
    await vi.waitFor(async () => {
      expect(await wrongRows(client)).toEqual([]);
    }, WAIT);
    const { rows } = await client.query("select embedding from app.tickets");
    expect(rows).toEqual([{ embedding: null }]);
  },
);

test("A source that is paused while its provider is slow to answer does not start", async () => {
  const { client, db, own, listen, watch } = await prepareOwnProvider();
  await watch();
  own.latencyMs = 5_000;
  const before = own.requests.length;
  await client.query("insert into app.tickets values (1, 'waits')");
  const listener = await listen({ EMBED_POLL_MS: "60000" });
  await vi.waitFor(() => {
    expect(own.requests.length).toBe(before + 1);
  }, WAIT);
  await setPaused(db, "tickets", true);
  await vi.waitFor(() => {
    expect(listener.describeProviders().map(({ model }) => model)).toContain("their-model");
  }, WAIT);
  await client.query("insert into patient_embeddings values (1, 'does not wait')");
  await vi.waitFor(async () => {
    expect(await wrongRows(client)).toEqual([]);
  }, WAIT);
  expect(own.requests.length).toBe(before + 1);
  const { rows } = await client.query("select embedding from app.tickets");
  expect(rows).toEqual([{ embedding: null }]);
});

test("A provider that hangs when the listener starts delays nothing else, and can be replaced while it hangs", async () => {
  const { client, provider, own, listen, watch } = await prepareOwnProvider();
  provider.always("hang");
  const listener = await listen({ EMBEDDING_TIMEOUT: "60000" });
  await watch();
  own.always("hang");
  await client.query("insert into app.tickets values (1, 'waits for nobody')");
  await vi.waitFor(() => {
    expect(own.requests.length).toBe(1);
  }, WAIT);

  own.behave();
  await watch({ base_url: `${own.openAiUrl}/` });
  await vi.waitFor(async () => {
    const { rows } = await client.query("select from app.tickets where embedding is not null");
    expect(rows).toHaveLength(1);
  }, WAIT);
  await expect
    .poll(async () => {
      const { rows } = await client.query<{ alive: boolean }>(
        "select extract(epoch from now() - seen_at) < 3 as alive from autoembed.embedding_listener",
      );
      return rows;
    })
    .toEqual([{ alive: true }]);
  expect(provider.counts.inputs).toBe(1);
  await listener.stop();
});

test("A source whose key is not in the environment is reported by status", async () => {
  const { db, listen, watch } = await prepareOwnProvider();
  await watch({ api_key_env: "ABSENT_API_KEY" });
  await listen();
  await vi.waitFor(async () => {
    const { sources } = await collectStatus(db);
    expect(sources.find(({ name }) => name === "tickets")?.problem).toMatch(/ABSENT_API_KEY is not set/);
  }, WAIT);
});
