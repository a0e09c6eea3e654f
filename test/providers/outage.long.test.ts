import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { prepare, wrongRows } from "../support/listening.ts";
import type { Fault } from "../support/provider-faults.ts";

const failedRows = "select count(*)::int as rows from autoembed.embedding_queue where failed_at is not null";

test(
  "A provider that goes away fails no row, and every row is current soon after it is back",
  { timeout: 90_000 },
  async () => {
    const { client, provider, listen } = await prepare({ EMBED_MAX_RETRIES: "1" });
    const listener = await listen();
    provider.always(503);
    await client.query(
      "insert into patient_embeddings select i, 'patient ' || i from generate_series(1, 200) i",
    );
    const state = "select state #>> '{providers,0,state}' as state from autoembed.embedding_listener";
    await expect
      .poll(async () => (await client.query<{ state: string }>(state)).rows[0]?.state, { timeout: 30_000 })
      .toBe("open");
    expect((await client.query(failedRows)).rows).toEqual([{ rows: 0 }]);

    provider.always(undefined);
    await listener.whenDrained();

    expect(await wrongRows(client)).toEqual([]);
    expect((await client.query(failedRows)).rows).toEqual([{ rows: 0 }]);
  },
);

test(
  "A listener starts while its provider is down, and embeds when the provider is back",
  { timeout: 90_000 },
  async () => {
    const { client, provider, listen } = await prepare({ EMBED_MAX_RETRIES: "0" });
    provider.always(500);
    await client.query("insert into patient_embeddings values (1, 'waiting')");
    const listener = await listen();

    provider.always(undefined);
    await listener.whenDrained();

    expect(await wrongRows(client)).toEqual([]);
  },
);

test.each([400, 413, 422])(
  "A provider that turns to %d for every text is asked a few times and fails no row, and embedding goes on by itself",
  { timeout: 120_000 },
  async (status) => {
    const { client, provider, listen } = await prepare();
    const listener = await listen();
    const before = provider.counts.requests;
    provider.always(status);
    await client.query(
      "insert into patient_embeddings select i, 'patient ' || i from generate_series(1, 300) i",
    );
    await expect.poll(() => provider.counts.requests - before).toBeGreaterThan(2);
    await delay(10_000);
    expect(provider.counts.requests - before).toBeLessThanOrEqual(8);
    expect((await client.query(failedRows)).rows).toEqual([{ rows: 0 }]);

    provider.always(undefined);
    await listener.whenDrained();
    expect(await wrongRows(client)).toEqual([]);
  },
);

test.each<[string, Fault]>([
  ["a pause that the provider asked for", { status: 429, headers: { "retry-after": "60" } }],
  ["a retry that waits", { status: 503, headers: { "retry-after": "60" } }],
])(
  "A listener that is stopped during %s stops at once, sends nothing more, and leaves its rows pending",
  { timeout: 60_000 },
  async (_pause, fault) => {
    const { client, provider, listen } = await prepare();
    const listener = await listen();
    provider.always(fault);
    await client.query("insert into patient_embeddings values (1, 'one'), (2, 'two')");
    const before = provider.counts.requests;
    await expect.poll(() => provider.counts.requests).toBeGreaterThan(before);
    await delay(500);
    const sent = provider.counts.requests;
    const stoppedAt = performance.now();
    await listener.stop();
    // EMBED_SHUTDOWN_MS is 10 s.
    expect(performance.now() - stoppedAt).toBeLessThan(8_000);
    expect(provider.counts.requests).toBe(sent);
    const { rows } = await client.query("select owner from autoembed.embedding_queue");
    expect(rows).toEqual([{ owner: null }, { owner: null }]);
  },
);

test("One text among many that the provider refuses fails alone, with a reason that does not quote it", async () => {
  const { client, provider, listen } = await prepare();
  const listener = await listen();
  provider.poison = (text) => text.includes("unspeakable");
  await client.query(
    "insert into patient_embeddings select i, 'patient ' || i from generate_series(1, 100) i",
  );
  await client.query(
    "update patient_embeddings set context_text = 'an unspeakable secret' where patient_id = 42",
  );
  await listener.whenDrained();

  expect(await wrongRows(client)).toEqual(["42"]);
  const { rows } = await client.query<{ key: string; last_error: string }>(
    "select key, last_error from autoembed.embedding_queue",
  );
  expect(rows.map(({ key }) => key)).toEqual(["42"]);
  expect(rows[0]?.last_error).not.toContain("unspeakable");

  provider.poison = () => false;
  await client.query("update patient_embeddings set context_text = 'a harmless text' where patient_id = 42");
  await listener.whenDrained();
  expect(await wrongRows(client)).toEqual([]);
});
