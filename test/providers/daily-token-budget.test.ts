import { expect, test, vi } from "vitest";
import { prepare, wrongRows } from "../support/listening.ts";

vi.setConfig({ testTimeout: 150_000 });

test("A day's token budget that is used up pauses embedding and is reported, and embedding goes on the next day", async () => {
  const { client, provider, listen } = await prepare();
  const listener = await listen({ EMBED_DAILY_TOKEN_BUDGET: "60", EMBED_BATCH_SIZE: "4" });
  const reported = new Promise<string>((resolve) =>
    listener.events.on("source_failing", ({ problem }) => {
      resolve(problem);
    }),
  );
  await client.query(
    "insert into patient_embeddings select i, 'patient text number ' || i from generate_series(1, 40) i",
  );

  expect(await reported).toMatch(/^the day's 60 tokens are used up \(\d+ spent\)/);
  const state = "select state ->> 'budget' as budget from autoembed.embedding_listener";
  await expect
    .poll(async () => (await client.query<{ budget: string | null }>(state)).rows[0]?.budget)
    .toMatch(/used up/);
  const sent = provider.counts.tokens;
  expect(sent).toBeLessThan(60 + 2 * 4 * 10);
  const { rows } = await client.query<{ failed: number; pending: number }>(
    "select count(failed_at)::int as failed, count(*)::int as pending from autoembed.embedding_queue",
  );
  expect(rows[0]?.failed).toBe(0);
  expect(rows[0]?.pending).toBeGreaterThan(20);

  // Days pass: the usage is deleted as if it were yesterday's, and each day has its own budget.
  const nextDay = async () => {
    await client.query("delete from autoembed.embedding_usage");
    return (await client.query("select from autoembed.embedding_queue")).rowCount;
  };
  await expect.poll(nextDay, { timeout: 90_000, interval: 100 }).toBe(0);
  expect(await wrongRows(client)).toEqual([]);
});
