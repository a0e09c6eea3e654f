import { expect, test } from "vitest";
import { prepare } from "../support/listening.ts";

const BATCH = 20;

test("With thousands of changes of one tenant pending, that of another is embedded next, by one listener and by two", async () => {
  const { client, provider, listen } = await prepare({
    EMBED_BATCH_SIZE: String(BATCH),
    EMBED_MAX_CONCURRENCY: "2",
  });
  await client.query(`
    drop table if exists public.visits;
    create table public.visits (id bigint generated always as identity primary key, clinic text, note text, embedding vector(8));
    select autoembed.watch('public.visits', 'note', tenant => 'clinic')`);
  const flood = async (name: string): Promise<void> => {
    await client.query(
      "insert into public.visits (clinic, note) select 'flooding', $1 || n from generate_series(1, 3000) n",
      [name],
    );
  };
  const single = async (name: string): Promise<void> => {
    await client.query("insert into public.visits (clinic, note) values ('single', $1)", [name]);
  };
  /** How many rows were embedded before this one. */
  const before = (text: string, since: number): number => {
    const texts = provider.requests.flatMap(({ texts }) => texts).slice(since);
    return texts.includes(text) ? texts.indexOf(text) : Number.POSITIVE_INFINITY;
  };
  provider.latencyMs = 20;
  await flood("a");
  await single("first");
  await flood("b");
  const listener = await listen();
  // It is in the first claim, of three requests; one of the next claim may arrive before it, and so does a probe.
  await expect.poll(() => before("first", 0), { timeout: 20_000 }).toBeLessThan(5 * BATCH);

  await listen();
  // In one transaction, so that the change is neither the oldest nor the newest when it is seen.
  await client.query("begin");
  await flood("c");
  await single("second");
  await flood("d");
  const since = provider.counts.inputs;
  await client.query("commit");
  // Each of the two may have two requests under way, one ready, and one that is put together.
  await expect
    .poll(() => before("second", since), { timeout: 20_000 })
    .toBeLessThan(2 * 4 * BATCH + 4 * BATCH);
  const { rows } = await client.query<{ left: number }>(
    "select count(*)::int as left from autoembed.embedding_queue",
  );
  expect(rows[0]?.left).toBeGreaterThan(5_000);
  provider.latencyMs = 0;
  await listener.whenDrained(AbortSignal.timeout(60_000));
  await expect
    .poll(async () => (await client.query("select from public.visits where embedding is null")).rowCount, {
      timeout: 60_000,
    })
    .toBe(0);
}, 120_000);
