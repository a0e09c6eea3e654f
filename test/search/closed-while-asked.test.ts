import { expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { createSearch } from "../../src/search/create-search.ts";
import { prepare } from "../support/listening.ts";

vi.setConfig({ testTimeout: 30_000 });

async function prepareSearch() {
  const { client, database, environment, provider } = await prepare();
  await client.query("delete from autoembed.embedding_question");
  const config = { ...readConfig(environment), DATABASE_URL: database.url, EMBEDDING_TIMEOUT: 500 };
  const search = createSearch({ config });
  onTestFinished(() => search.close());
  return { client, provider, search };
}

test("A search under way when it is closed is answered by words where the provider is silent", async () => {
  const { client, provider, search } = await prepareSearch();
  await client.query("create index on patient_embeddings using gin (to_tsvector('english', context_text))");
  provider.always("hang");
  const found = search.search("a question in the evening", { source: "patient_embeddings" });
  const outcome = found.then(({ rankedBy }) => rankedBy, String);
  await expect.poll(() => provider.requests.length).toBeGreaterThan(0);
  await search.close();
  expect(await outcome).toBe("words");
});

test("Who waits for a row learns at once that the search was closed", async () => {
  const { client, search } = await prepareSearch();
  await client.query("insert into patient_embeddings values (1, 'nobody listens')");
  const settled = search.settled({ source: "patient_embeddings", key: "1" }).catch(String);
  await search.close();
  expect(await settled).toContain("This search was closed.");
});
