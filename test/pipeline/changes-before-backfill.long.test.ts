import { expect, test, vi } from "vitest";
import { beginBackfills } from "../support/begin-backfills.ts";
import { describeNative } from "../support/database.ts";
import { prepare } from "../support/listening.ts";

vi.setConfig({ testTimeout: 120_000 });

const ROWS = 400;
const ONE_LANE = { EMBED_BATCH_SIZE: "8", EMBED_MAX_CONCURRENCY: "1", EMBED_POLL_MS: "500" };

/** A provider of one lane in the middle of a backfill. */
async function backfilling() {
  const on = await prepare(ONE_LANE);
  const { client, provider, listen, database } = on;
  await client.query("alter table patient_embeddings disable trigger user");
  await client.query(
    `insert into patient_embeddings select i, 'row ' || i from generate_series(1, ${ROWS}) i`,
  );
  await client.query("alter table patient_embeddings enable trigger user");
  const listener = await listen();
  provider.latencyMs = 400;
  await beginBackfills(database.url);
  await expect
    .poll(() => provider.requests.filter(({ texts }) => texts.length === 8).length)
    .toBeGreaterThan(2);
  const indexOf = (text: string): number => provider.requests.findIndex(({ texts }) => texts.includes(text));
  return { ...on, listener, indexOf };
}

test("Beside a full backfill a change and a question wait for the request in flight alone, with one lane", async () => {
  const { client, provider, listener, indexOf } = await backfilling();
  for (let i = 0; i < 3; i++) {
    await client.query("insert into patient_embeddings values ($1, $2)", [1_000 + i, `fresh ${i}`]);
    const seen = provider.requests.length;
    await expect.poll(() => indexOf(`fresh ${i}`), { timeout: 20_000, interval: 20 }).toBeGreaterThan(0);
    // At most one that began while the change was claimed.
    expect(indexOf(`fresh ${i}`) - seen).toBeLessThanOrEqual(1);
  }
  const open = await listener.provider({ backend: null, model: null, dimensions: null, settings: {} });
  const seen = provider.requests.length;
  await open.embed(["a question"], "query", new AbortController().signal);
  // The request in flight is among those seen.
  expect(indexOf("a question")).toBe(seen);
  const { rowCount } = await client.query("select from patient_embeddings where embedding is null");
  expect(rowCount).toBeGreaterThan(0);
});

describeNative("A flood of one source", "needs several sessions", () => {
  test("One source's flood of changes delays another's single change by no more than a request, with one lane", async () => {
    const { client, provider, listen } = await prepare(ONE_LANE);
    const indexOf = (text: string): number =>
      provider.requests.findIndex(({ texts }) => texts.includes(text));
    await client.query(
      "drop table if exists quiet; create table quiet (id int primary key, body text, embedding vector(8))",
    );
    await client.query("select autoembed.watch('quiet', 'body', vector_column => 'embedding')");
    await listen();
    provider.latencyMs = 400;
    await client.query(
      `insert into patient_embeddings select i, 'flood ' || i from generate_series(1, ${ROWS}) i`,
    );
    await expect
      .poll(() => provider.requests.filter(({ texts }) => texts.length === 8).length)
      .toBeGreaterThan(2);
    await client.query("insert into quiet values (1, 'a single change')");
    const seen = provider.requests.length;
    await expect.poll(() => indexOf("a single change"), { timeout: 20_000, interval: 20 }).toBeGreaterThan(0);
    expect(indexOf("a single change") - seen).toBeLessThanOrEqual(1);
    await client.query("select autoembed.unwatch('quiet'); drop table quiet");
  });
});
