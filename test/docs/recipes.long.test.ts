import { rm } from "node:fs/promises";
import { expect, onTestFinished, test } from "vitest";
import { openTestDatabase } from "../support/database.ts";
import { freePort } from "../support/free-port.ts";
import { startProviderServer } from "../support/provider-server.ts";
import { follow, recipesOf, type Recipe } from "../support/recipes.ts";
import { startProcess } from "../support/start-process.ts";
import { withClient } from "../support/with-client.ts";

const DIMENSIONS = 1536;
/** Blocks that no test can run as they are written, and why. */
const EXCEPTIONS: readonly { page: string; contains: string; because: string }[] = [
  {
    page: "docs/guide.md",
    contains: "$ npm run -s backfill\n1024/5128",
    because:
      "its figures are of one run over 5,128 rows; test/backfill/backfill.long.test.ts holds what is printed",
  },
  {
    page: "docs/guide.md",
    contains: "a sample was sent, and its vectors are kept",
    because:
      "its figures are of one run over 5,128 rows; test/backfill/sample-of-a-dry-run.long.test.ts holds what is printed",
  },
  {
    page: "docs/search.md",
    contains: "--measure --sample 5000",
    because:
      "its figures are of one run over 20,000 rows; test/search/index-kinds.test.ts holds what is printed",
  },
  ...["$ npm run -s migrate\nApplying", 'psql "$DATABASE_URL" --single-transaction'].map((contains) => ({
    page: "docs/install.md",
    contains,
    because: "it is for a database that has not been migrated",
  })),
  ...(process.env["TEST_DATABASE_URL"] === undefined
    ? [
        {
          page: "docs/search.md",
          contains: "call autoembed.ask(",
          because: "the embedded Postgres has one session, in which no listener answers while it waits",
        },
      ]
    : []),
  ...["$ npm run -s migrate\nThis database is of", "$ npm run -s migrate -- --from-0.1"].map((contains) => ({
    page: "docs/install.md",
    contains,
    because: "it is for a database of version 0.1; test/database/from-first-version.long.test.ts has one",
  })),
];

/** The rows that `query` returns, each as an array. */
async function rows(url: string, query: string): Promise<unknown[]> {
  return await withClient(
    url,
    async (client) => (await client.query<unknown[]>({ text: query, rowMode: "array" })).rows,
  );
}

async function prepareRecipes() {
  const database = await openTestDatabase({ dimensions: DIMENSIONS });
  onTestFinished(() => database.close());
  const hosted = await startProviderServer({ dimensions: DIMENSIONS });
  onTestFinished(() => hosted.close());
  const ollama = await startProviderServer({ dimensions: 768 });
  onTestFinished(() => ollama.close());
  await withClient(database.url, (client) =>
    client.query(`insert into patient_embeddings values (1, 'a patient'), (100001, 'chest pain')`),
  );
  const environment = {
    DATABASE_URL: database.url,
    EMBEDDING_BACKEND: "llm_api",
    OPENAI_BASE_URL: hosted.openAiUrl,
    OPENAI_API_KEY: "test-key",
    OLLAMA_BASE_URL: ollama.url,
    EMBED_LOG_LEVEL: "silent",
    NO_COLOR: "1",
  };
  return { databaseUrl: database.url, environment, dimensions: DIMENSIONS, hosted, ollama };
}

/** A listener that serves HTTP. @returns its settings */
async function serveHttp(environment: Readonly<Record<string, string>>) {
  const http = { EMBED_HTTP_PORT: String(await freePort()), EMBED_HTTP_TOKEN: "a-token-of-enough-length" };
  await startProcess({ environment: { ...environment, ...http } });
  return http;
}

/** Removes the files that the blocks of a page write into the project. */
async function removeWritten(files: readonly string[]): Promise<void> {
  await Promise.all(files.map((file) => rm(file, { force: true })));
}

async function followAll(recipes: readonly Recipe[], context: Awaited<ReturnType<typeof prepareRecipes>>) {
  for (const recipe of recipes) {
    const exception = EXCEPTIONS.find(
      ({ page, contains }) => recipe.page === page && recipe.body.includes(contains),
    );
    if (exception === undefined) await follow(recipe, context);
    else console.info(`not run: ${recipe.page}:${recipe.line}: ${exception.because}`);
  }
}

test("Every block of docs/sources.md does what the page says, in its order and as it is written", async () => {
  const context = await prepareRecipes();
  onTestFinished(() => removeWritten(["autoembed.config.ts"]));
  const recipes = await recipesOf("docs/sources.md");
  expect(recipes.length).toBeGreaterThan(15);
  await followAll(recipes, context);

  const embedded = (table: string, vector = "embedding") =>
    rows(context.databaseUrl, `select count(*)::int, count(${vector})::int from ${table}`);
  expect(await embedded('"Support"."Calls"')).toEqual([[1, 1]]);
  expect(await embedded("people")).toEqual([[2, 2]]);
  expect(await embedded("posts")).toEqual([[1, 1]]);
  expect(await embedded("notes", "note_vector")).toEqual([[2, 2]]);
  expect(await embedded("events")).toEqual([[2, 2]]);
  expect(await embedded("shop.products")).toEqual([[2, 2]]);
  expect(
    await rows(
      context.databaseUrl,
      "select title, embedding is not null from documents_with_embedding order by id",
    ),
  ).toEqual([
    ["One", true],
    ["Two", true],
    ["Three", false],
  ]);
  expect(
    await rows(
      context.databaseUrl,
      "select id, chunk, passage, embedding is not null from documents_chunks order by id",
    ),
  ).toEqual([
    [1, 1, "the first", true],
    [2, 1, "the second", true],
  ]);
  expect(
    context.ollama.requests.some(({ texts }) => texts.includes("search_document: embedded on this machine")),
  ).toBe(true);
  const models = await rows(
    context.databaseUrl,
    "select name, model from autoembed.embedding_source order by id",
  );
  expect(models).toContainEqual(["patient_embeddings", "text-embedding-3-large"]);
  expect(models).toContainEqual(["letters", "voyage-3.5"]);
  expect(models.flat()).not.toContain("notes");
}, 600_000);

test.each(["docs/guide.md", "docs/install.md", "docs/search.md"])(
  "Every block of %s works as it is written",
  async (page) => {
    const context = await prepareRecipes();
    onTestFinished(() => removeWritten(["autoembed.sql", "autoembed-upgrade.sql"]));
    await follow({ page, line: 0, language: "sh", body: "npm run backfill" }, context);
    const http = page === "docs/search.md" ? await serveHttp(context.environment) : {};
    await followAll(await recipesOf(page), { ...context, environment: { ...context.environment, ...http } });
  },
  300_000,
);

test("Every block of the skill for coding agents works as it is written, on a table of the user's own", async () => {
  const context = await prepareRecipes();
  await withClient(context.databaseUrl, (client) =>
    client.query(`create table articles (id bigint primary key, title text, body text);
      insert into articles values (1, 'Passwords', 'How to get in.'), (2, 'Refunds', 'How money comes back.')`),
  );
  const recipes = await recipesOf("skills/pg-autoembed/SKILL.md");
  expect(recipes.length).toBeGreaterThan(5);
  await followAll(recipes, context);
  expect(
    await rows(context.databaseUrl, "select count(*)::int, count(embedding)::int from articles"),
  ).toEqual([[2, 2]]);
}, 300_000);

test("A block of a language that cannot be run fails the test", async () => {
  const context = { databaseUrl: "", environment: {}, dimensions: DIMENSIONS };
  const block = { page: "docs/sources.md", line: 7, body: "select 1" };
  await expect(follow({ ...block, language: "" }, context)).rejects.toThrow(
    "docs/sources.md:7: nothing runs a block of no language",
  );
  await expect(follow({ ...block, language: "python" }, context)).rejects.toThrow("a block of python");
  await expect(follow({ ...block, language: "console", body: "$ echo one\ntwo\n" }, context)).rejects.toThrow(
    /docs\/sources\.md:7:.*one/s,
  );
});
