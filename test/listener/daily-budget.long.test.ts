import type pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { createSearch } from "../../src/search/create-search.ts";
import { describeNative } from "../support/database.ts";
import { prepare, wrongRows } from "../support/listening.ts";
import { startReranker } from "../support/rerank-server.ts";

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

  // Days pass: what was spent is deleted as if it were yesterday's, and each day has its own budget.
  const nextDay = async () => {
    await client.query("delete from autoembed.embedding_spending");
    return (await client.query("select from autoembed.embedding_queue")).rowCount;
  };
  await expect.poll(nextDay, { timeout: 90_000, interval: 100 }).toBe(0);
  expect(await wrongRows(client)).toEqual([]);
});

const PRICES = { EMBED_PRICE_PER_MILLION_TOKENS: "1000" };

interface Spending {
  readonly purpose: string;
  readonly tokens: number;
  readonly cost: number;
}

async function spending(client: pg.Client): Promise<Readonly<Record<string, Spending>>> {
  const { rows } = await client.query<Spending>(
    `select purpose, sum(tokens)::int as tokens, sum(cost)::float8 as cost from autoembed.embedding_spending group by purpose`,
  );
  return Object.fromEntries(rows.map((row) => [row.purpose, row]));
}

describeNative("Money over all listeners and searches", "needs several sessions", () => {
  test("A day's money adds up rows, questions of ask() and of searches, and the reranker, each by the price of its model", async () => {
    const reranker = await startReranker();
    const settings = { ...PRICES, ...reranker.environment, RERANK_PRICE_PER_REQUEST: "0.5" };
    const { client, environment, database, listen } = await prepare(settings);
    await client.query("truncate autoembed.embedding_asked, autoembed.embedding_question");
    const listener = await listen();
    await client.query("insert into patient_embeddings values (1, 'one two three'), (2, 'four five six')");
    await listener.whenDrained();
    await client.query("call autoembed.ask('patient_embeddings', 'asked by sql')");
    const config = readConfig(environment);
    const search = createSearch({ config: { ...config, DATABASE_URL: database.url } });
    onTestFinished(() => search.close());
    await search.search("searched for", { rerank: true });
    await search.search("searched for", { rerank: true });

    await expect.poll(async () => Object.keys(await spending(client))).toHaveLength(3);
    const { change, question, rerank } = await spending(client);
    expect(change?.tokens).toBeGreaterThan(0);
    expect(change?.cost).toBeCloseTo(((change?.tokens ?? 0) / 1e6) * 1000);
    // Two questions were paid for, each once.
    expect(question?.cost).toBeCloseTo(((question?.tokens ?? 0) / 1e6) * 1000);
    expect(question?.tokens).toBeGreaterThan(1);
    expect(rerank?.cost).toBeCloseTo(1);

    const total = (change?.cost ?? 0) + (question?.cost ?? 0) + 1;
    const next = await listen({ EMBED_DAILY_BUDGET: `${(total - 0.001).toFixed(6)} USD` });
    await listener.stop();
    await client.query("insert into patient_embeddings values (3, 'waits for tomorrow')");
    await expect
      .poll(async () => {
        const { rows } = await client.query<{ budget: string | null }>(
          "select state ->> 'budget' as budget from autoembed.embedding_listener",
        );
        return rows.map(({ budget }) => budget);
      })
      .toContainEqual(expect.stringMatching(/^the day's budget of .* EMBED_DAILY_BUDGET is raised$/));
    expect(await wrongRows(client)).toEqual(["3"]);
    // Who asks is answered all the same.
    await client.query("call autoembed.ask('patient_embeddings', 'asked later')");
    await next.stop();
  });
});

test("A budget in money with a model whose price is not known keeps its source alone from work, and names the setting to give", async () => {
  const { client, listen } = await prepare({ EMBED_DAILY_BUDGET: "5", OPENAI_EMBED_MODEL: "my-model" });
  await expect(listen()).rejects.toMatchObject({
    name: "UsageError",
    message: expect.stringContaining("set EMBED_PRICE_PER_MILLION_TOKENS") as string,
  });
  await client.query(`update autoembed.embedding_source set model = 'other', settings = '{}'`);
  onTestFinished(async () => {
    await client.query(`update autoembed.embedding_source set model = null`);
  });
  await expect(listen(PRICES)).rejects.toThrow("--setting price_per_million_tokens");
  await client.query(
    `drop table if exists priced; create table priced (patient_id int primary key, context_text text, embedding vector(8));
    select autoembed.watch('priced', 'context_text', vector_column => 'embedding')`,
  );
  const beside = await listen(PRICES);
  await client.query(
    "insert into priced values (1, 'a price is known'); insert into patient_embeddings values (1, 'no price is known')",
  );
  await expect.poll(() => wrongRows(client, "priced"), { timeout: 30_000 }).toEqual([]);
  const trouble = "select trouble from autoembed.embedding_source where name = 'patient_embeddings'";
  expect((await client.query<{ trouble: string }>(trouble)).rows[0]?.trouble).toContain(
    "--setting price_per_million_tokens",
  );
  expect(await wrongRows(client)).toEqual(["1"]);
  await beside.stop();
  await client.query("select autoembed.unwatch('priced'); drop table priced");
  await client.query(`update autoembed.embedding_source set settings = '{"price_per_million_tokens": 0.5}'`);
  await (await listen()).stop();
  await client.query(`update autoembed.embedding_source set settings = '{}'`);
});
