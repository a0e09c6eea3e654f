import { expect, onTestFinished, test } from "vitest";
import { BatchServer } from "../support/batch-server.ts";
import { openTestDatabase } from "../support/database.ts";
import { follow, recipesOf, type Recipe, type RecipeContext } from "../support/recipes.ts";
import { withClient } from "../support/with-client.ts";

const DIMENSIONS = 1536;
const ROWS = 2_000;
/** What a million tokens of text-embedding-3-small cost, by requests and by batches. */
const PRICE = 0.02;
const BATCH_PRICE = 0.01;

/** A table as the section has it, and its provider. */
async function prepareCost() {
  const database = await openTestDatabase({ dimensions: DIMENSIONS });
  onTestFinished(() => database.close());
  const server = await BatchServer.start(DIMENSIONS);
  onTestFinished(() => server.close());
  await withClient(database.url, async (client) => {
    await client.query("alter table patient_embeddings disable trigger user");
    await client.query(
      `insert into patient_embeddings
       select n, 'Visit ' || n || ': ' || repeat('the patient slept well. ', 20) from generate_series(1, $1) n`,
      [ROWS],
    );
    await client.query("alter table patient_embeddings enable trigger user");
  });
  const environment = {
    DATABASE_URL: database.url,
    EMBEDDING_BACKEND: "llm_api",
    OPENAI_BASE_URL: server.url,
    OPENAI_API_KEY: "test-key",
    EMBED_LOG_LEVEL: "silent",
    NO_COLOR: "1",
  };
  return { server, context: { databaseUrl: database.url, environment, dimensions: DIMENSIONS } };
}

/** The blocks of the section "What it costs", each with the number of its step. */
async function stepsOf(page: string): Promise<Recipe[]> {
  const recipes = await recipesOf(page);
  const from = recipes.findIndex(({ body }) => body.startsWith("$ npm run -s backfill -- --dry-run\n"));
  const steps = recipes.slice(from);
  const [first, ...others] = steps.map(({ body }) => body.split("\n", 1)[0]);
  expect(first).toContain("--dry-run");
  expect(others).toHaveLength(8);
  return steps;
}

/** All but times, the place of a process, and lines that are there only if somebody looks at the right moment. */
function withoutTimes(printed: string): string {
  const lines = printed
    .replaceAll(/, the first expires at .*/g, "")
    .replaceAll(/(?:\b[A-Z][a-z]{2} )?\d{4}-\d\d-\d\d (?=\d\d:)/g, "DAY ")
    .replaceAll(/\b[\d.]+ (ms|s|min|h|days?)\b/g, "TIME")
    .replaceAll(/TIME( TIME)+/g, "TIME")
    .replaceAll(/[\d.]+ rows\/s/g, "PACE")
    .replaceAll(/process \d+ on \S+,/g, "a process,")
    .split("\n")
    .filter((line) => !/^ ?\d+\/\d+ rows, |batches: .*being (made|written)/.test(line));
  return lines.filter((line, i) => line !== lines[i - 1]).join("\n");
}

/** How far a backfill gets before its money is spent depends on the moment: its words are compared. */
function wordsAlone(printed: string): string {
  return withoutTimes(printed)
    .replaceAll(/\d[\d.]*/g, "#")
    .replaceAll(/ {2,}/g, "  ");
}

/** A command that looks too late reports no batch at the provider: test/batches/backfill-by-batch.long.test.ts holds that line. */
function withoutBatches(printed: string): string {
  return wordsAlone(printed).replaceAll(/.*batches: .*\n/g, "");
}

test("The way from an estimate to the bill can be followed step by step, as docs/providers.md has it", async () => {
  const { server, context } = await prepareCost();
  const steps = await stepsOf("docs/providers.md");
  const run = (recipe: Recipe, compared: RecipeContext["compared"]) =>
    follow(recipe, compared === undefined ? context : { ...context, compared });
  const [estimate, sample, limits, budget, part, batch, status, bill, days] = steps;
  for (const step of [estimate, sample, limits, budget])
    if (step !== undefined) await run(step, withoutTimes);
  if (part === undefined || batch === undefined || status === undefined) throw new Error("a step is missing");
  if (bill === undefined || days === undefined) throw new Error("the bill is missing");
  await run(part, wordsAlone);

  server.isHeld = true;
  let isOver = false;
  const batching = run(batch, withoutBatches).finally(() => (isOver = true));
  const submitted = "select from autoembed.embedding_batch where state = 'submitted'";
  await withClient(context.databaseUrl, (client) =>
    expect
      .poll(async () => isOver || (await client.query(submitted)).rowCount === 1, { timeout: 60_000 })
      .toBe(true),
  );
  await run(status, wordsAlone).finally(() => (server.isHeld = false));
  await batching;
  await run(bill, wordsAlone);
  await run(days, undefined);

  const spending = await withClient(context.databaseUrl, async (client) => {
    const { rows } = await client.query<{ tokens: number; cost: number; rows: number }>(
      `select sum(tokens)::float8 as tokens, sum(cost) as cost,
         (select count(embedding)::int from patient_embeddings) as rows from autoembed.embedding_spending`,
    );
    return rows[0];
  });
  const batched = server.batches.flatMap(({ lines }) => lines.map(({ text }) => Math.ceil(text.length / 4)));
  const byBatch = batched.reduce((sum, tokens) => sum + tokens, 0);
  const all = [...server.paid.keys()].reduce((sum, text) => sum + Math.ceil(text.length / 4), 0);
  expect(server.counts.batched).toBeGreaterThan(0);
  expect(server.counts.live).toBeGreaterThan(50);
  expect(server.paidTwice).toEqual([]);
  expect(spending?.rows).toBe(ROWS);
  expect(spending?.tokens).toBe(all);
  expect(spending?.cost).toBeCloseTo(((all - byBatch) * PRICE + byBatch * BATCH_PRICE) / 1e6, 9);
}, 300_000);
