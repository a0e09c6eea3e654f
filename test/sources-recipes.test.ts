import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { openTestDatabase } from "./support/database.ts";
import { startProviderServer } from "./support/provider-server.ts";
import { withClient } from "./support/with-client.ts";

const PROJECT = fileURLToPath(new URL("..", import.meta.url));
/** What the recipe for a change of the model asks for. */
const DIMENSIONS = 3072;
const TICKETS = `drop table if exists tickets;
  create table tickets (id bigint generated always as identity primary key, body text);
  insert into tickets (body) values ('printer on fire'), ('forgot the password')`;
const DOCUMENTS = `create table documents (id int primary key, title text, body text);
  insert into documents values (1, 'One', 'the first'), (2, 'Two', 'the second'), (3, 'Three', null)`;

test("every shell recipe of docs/sources.md works as it is written", async () => {
  const database = await openTestDatabase({ dimensions: DIMENSIONS });
  onTestFinished(() => database.close());
  const provider = await startProviderServer({ dimensions: DIMENSIONS });
  onTestFinished(() => provider.close());
  await withClient(database.url, (client) =>
    client.query(`${TICKETS}; ${DOCUMENTS}; insert into patient_embeddings values (1, 'a patient')`),
  );
  const page = await readFile(`${PROJECT}/docs/sources.md`, "utf8");
  const recipes = [...page.matchAll(/```sh\n(.*?)```/gs)].map(([, commands]) => commands ?? "");
  expect(recipes.length).toBeGreaterThan(4);
  for (const recipe of recipes) {
    // The recipe for another provider is for a table that nobody watches yet.
    if (recipe.includes("voyage")) await withClient(database.url, (client) => client.query(TICKETS));
    const script = recipe.replaceAll(/npm run (\w+)( --)?/g, `node --import tsx src/cli.ts $1`);
    await promisify(execFile)("bash", ["-e", "-c", script], {
      cwd: PROJECT,
      env: {
        ...process.env,
        DATABASE_URL: database.url,
        EMBEDDING_BACKEND: "llm_api",
        OPENAI_BASE_URL: provider.openAiUrl,
        OPENAI_API_KEY: "test-key",
        // A source of a recipe names a service that a test must not ask.
        VOYAGE_API_KEY: "",
      },
    });
  }
  const passages = await withClient(database.url, (client) =>
    client.query(
      "select id, chunk, passage, embedding is not null as embedded from documents_passages order by id",
    ),
  );
  expect(passages.rows).toEqual([
    { id: 1, chunk: 1, passage: "the first", embedded: true },
    { id: 2, chunk: 1, passage: "the second", embedded: true },
  ]);
  const { rows } = await withClient(database.url, (client) =>
    client.query("select name, model from embedding_source order by id"),
  );
  expect(rows).toContainEqual({ name: "patient_embeddings", model: "text-embedding-3-large" });
  expect(rows).toContainEqual({ name: "tickets", model: "voyage-3.5" });
  const apart = await withClient(database.url, (client) =>
    client.query("select title, embedding is not null as embedded from documents_with_embedding order by id"),
  );
  expect(apart.rows).toEqual([
    { title: "One", embedded: true },
    { title: "Two", embedded: true },
    { title: "Three", embedded: false },
  ]);
}, 240_000);
