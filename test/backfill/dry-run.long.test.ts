import { expect, onTestFinished, test, vi } from "vitest";
import { dryRun, type DryRunReport } from "../../src/backfill/dry-run.ts";
import { readConfig } from "../../src/config.ts";
import { Events } from "../../src/events.ts";
import { Usage } from "../../src/listener/usage.ts";
import { chooseSources } from "../../src/sources/choose-sources.ts";
import { runCommand } from "../support/command.ts";
import { prepareDryRun } from "../support/dry-running.ts";
import { DIMENSIONS } from "../support/listening.ts";

vi.setConfig({ testTimeout: 180_000 });

test("A dry run sends no request, writes nothing, and says of each figure what it is based on", async () => {
  const { client, provider, insert, dryRun } = await prepareDryRun({
    EMBED_PRICE_PER_MILLION_TOKENS: "1000000",
    EMBED_BATCH_SIZE: "10",
  });
  // Each of 25 texts has 8 characters.
  await insert("'text ' || (100 + i % 25)", 90);
  const report = await dryRun();

  expect(report).toEqual({
    source: "patient_embeddings",
    model: "text-embedding-3-small",
    dimensions: DIMENSIONS,
    rows: 90,
    equalTexts: 65,
    cachedTexts: 0,
    toCut: null,
    tooLongTexts: 0,
    texts: 25,
    characters: 200,
    sample: null,
    sent: { document: { prefix: "", fields: {} }, query: { prefix: "", fields: {} } },
    tokens: 50,
    requests: 3,
    seconds: null,
    pace: { lanes: 1, secondsInOneLane: null, secondsByRate: 0 },
    cost: 50,
    priceListedOn: null,
    batch: { batches: 1, priceFactor: 0.5, cost: 25, hours: 24, isCertain: false },
    basis: {
      tokens: "4 characters per token, assumed: this model has reported no tokens for this source yet",
      requests: "at most 10 texts and 300000 characters per request",
      seconds: "no full request of this source to this model was timed yet",
      cost: "EMBED_PRICE_PER_MILLION_TOKENS is 1000000",
    },
  });
  expect(provider.counts.connections).toBe(0);
  const { rows } = await client.query(`
    select count(embedding)::int as embedded, (select count(*)::int from autoembed.embedding_queue) as queued,
      (select count(*)::int from autoembed.embedding_cache) as cached,
      (select count(*)::int from autoembed.embedding_usage) as used from patient_embeddings`);
  expect(rows).toEqual([{ embedded: 0, queued: 0, cached: 0, used: 0 }]);
});

test("A dry run after a backfill estimates by the tokens and the time that the provider took for this source", async () => {
  const { client, provider, insert, dryRun, backfill } = await prepareDryRun({ EMBED_BATCH_SIZE: "20" });
  // The stand-in charges 3 tokens for each of these 9 characters, and not a quarter of them.
  await insert("'text ' || (1000 + i)", 100);
  await backfill();
  await client.query("delete from patient_embeddings");
  await insert("'other ' || (1000 + i)", 200);
  provider.requests.length = 0;
  const learnt = await dryRun();

  expect(learnt).toMatchObject({ rows: 200, texts: 200, characters: 2000, tokens: 667 });
  expect(learnt.basis.tokens).toBe("3.00 characters per token, as charged for 900 characters of this source");
  expect(learnt.seconds).toBeGreaterThan(0);
  expect(learnt.basis.seconds).toMatch(
    /^\d+\.\d ms per text, as measured on 100 texts of this source, with 1 request at a time$/,
  );
  expect(provider.requests).toEqual([]);

  // What another model has shown is of no use here.
  await client.query("update autoembed.embedding_usage set model = 'llm_api/other-model'");
  expect(await dryRun()).toMatchObject({ tokens: 500, seconds: null });
});

test("A change of the model within a day begins to learn again, and tokens that were counted before teach nothing", async () => {
  const { client, insert, backfill } = await prepareDryRun();
  await client.query(
    `insert into autoembed.embedding_usage (source_id, tokens, model, characters, counted_tokens, timed_texts, request_ms)
    select id, 1000, 'ollama/before', 10, 1000, 1, 1000 from autoembed.embedding_source`,
  );
  await insert("'text ' || (1000 + i)", 40);
  await backfill();
  const { rows } = await client.query(
    "select tokens::int, model, characters::int, counted_tokens::int, timed_texts::int from autoembed.embedding_usage",
  );
  expect(rows).toEqual([
    {
      tokens: 1120,
      model: "llm_api/text-embedding-3-small",
      characters: 360,
      counted_tokens: 120,
      timed_texts: 40,
    },
  ]);
});

test("Answers without tokens teach no ratio, small requests teach no pace, and what cannot be written is written later", async () => {
  const { client, db } = await prepareDryRun();
  const events = new Events();
  const usage = new Usage(events);
  const answer = {
    source: "patient_embeddings",
    purpose: "change" as const,
    model: "a/b",
    texts: 1,
    characters: 8,
    milliseconds: 9.6,
    cost: undefined,
  };
  events.emit("answered", { ...answer, tokens: 7, areTokensEstimated: true, isFull: true });
  await client.query("alter table autoembed.embedding_usage rename to away");
  await expect(usage.flush(db)).rejects.toThrow("does not exist");
  await client.query("alter table autoembed.away rename to embedding_usage");
  events.emit("answered", { ...answer, tokens: 4, areTokensEstimated: false, isFull: false });
  await usage.flush(db);
  await usage.flush(db);
  const { rows } =
    await client.query(`select requests::int, tokens::int, characters::int, counted_tokens::int,
    timed_texts::int, request_ms::int from autoembed.embedding_usage`);
  expect(rows).toEqual([
    { requests: 2, tokens: 11, characters: 8, counted_tokens: 4, timed_texts: 1, request_ms: 10 },
  ]);
});

test("A dry run counts texts that the cache has, rows that are queued, and texts that are too long, each as what it is", async () => {
  const { client, insert, dryRun, backfill } = await prepareDryRun({ EMBED_MAX_TEXT_CHARACTERS: "50" });
  await insert("'text ' || (10 + i)", 20);
  await backfill();
  await client.query("update patient_embeddings set context_text = 'changed' where patient_id <= 2");
  await client.query("update patient_embeddings set context_text = repeat('long', 20) where patient_id = 3");
  await client.query("update patient_embeddings set context_text = 'text 15' where patient_id = 4");

  expect(await dryRun()).toMatchObject({
    rows: 4,
    equalTexts: 1,
    cachedTexts: 1,
    tooLongTexts: 1,
    texts: 1,
    characters: 7,
  });
  expect(await dryRun({ all: true })).toMatchObject({ rows: 20, equalTexts: 2, cachedTexts: 16, texts: 1 });
});

test("A dry run of vectors whose length is not known reports without the cache, and sends nothing", async () => {
  const { client, db, provider, environment } = await prepareDryRun({ EMBEDDING_DIM: "" });
  await client.query(`drop table if exists lengthless;
    create table lengthless (id int primary key, words text, embedding vector);
    select autoembed.watch('lengthless', 'words'); insert into lengthless values (1, 'some words')`);
  onTestFinished(async () => {
    await client.query("select autoembed.unwatch('lengthless'); drop table lengthless");
  });
  const [source] = await chooseSources(db, "lengthless");
  if (source === undefined) throw new Error("lengthless is not watched");
  const { signal } = new AbortController();
  const report = await dryRun(db, readConfig(environment), source, { all: false, sample: null, signal });
  expect(report).toMatchObject({ rows: 1, texts: 1, dimensions: null, cachedTexts: null });
  expect(provider.counts.connections).toBe(0);
});

test("The command prints each figure with its basis or one JSON document, and refuses a sample that cannot be one", async () => {
  const { client, insert, environment, provider } = await prepareDryRun();
  await insert("'xylophonic ' || i", 60);
  const run = async (...args: string[]) => {
    const command = runCommand(["backfill", ...args], environment);
    return { code: await command.exited, stdout: command.stdout(), stderr: command.stderr() };
  };
  const text = await run("--dry-run");
  expect(text.stdout).toBe(`patient_embeddings: nothing was sent and nothing was written.
  model         text-embedding-3-small, vectors of ${DIMENSIONS} dimensions
  rows          60 to embed
  equal texts   0 rows have the text of another row: equal texts are sent once
  known texts   0 have a vector already, of another row or in the cache: they are not sent again
  texts         60 to send
  tokens        about 193 (4 characters per token, assumed: this model has reported no tokens for this source yet)
  requests      1 (at most 64 texts and 300000 characters per request)
  time          not known: no full request of this source to this model was timed yet; --sample 50 measures it
  cost          about 0.0000 (USD, at the list price of 2025-10-01: 0.02 per million tokens)
  with --batch  about 0.0000 (0.5 of the price), 1 batch, each within 24 hours
`);
  expect(provider.counts.requests).toBe(0);

  const sampled = await run("--dry-run", "--sample", "50", "--source", "patient_embeddings", "--json");
  expect(sampled).toMatchObject({ code: 0, stderr: "" });
  const [report, ...others] = JSON.parse(sampled.stdout) as DryRunReport[];
  expect(others).toEqual([]);
  expect(report).toMatchObject({
    source: "patient_embeddings",
    cachedTexts: 50,
    texts: 10,
    priceListedOn: "2025-10-01",
  });
  expect(report?.sample).toMatchObject({ kept: 50, refused: 0 });
  expect(Object.keys(report?.basis ?? {})).toEqual(["tokens", "requests", "seconds", "cost"]);
  expect(text.stdout + sampled.stdout).not.toContain("xylophonic");

  for (const size of ["0", "1001"]) {
    const refused = await run("--dry-run", `--sample=${size}`);
    expect(refused).toMatchObject({
      code: 2,
      stdout: "",
      stderr: `--sample takes a whole number from 1 to 1000, got "${size}".\nSuch as: --sample 10\n`,
    });
  }
  expect(await run("--sample", "50")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("Run: npm run backfill -- --dry-run --sample 50") as string,
  });

  await client.query("update autoembed.embedding_source set paused = true");
  expect(await run("--dry-run", "--sample", "5")).toMatchObject({
    code: 1,
    stderr: "Paused sources are not embedded: patient_embeddings.\nnpm run resume -- patient_embeddings\n",
  });
}, 240_000);
