import { expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { createSearch } from "../../src/search/create-search.ts";
import { prepare } from "../support/listening.ts";

vi.setConfig({ testTimeout: 30_000 });

const QUESTION = "what several people ask at once";

async function prepareSearch() {
  const { client, database, environment, provider } = await prepare();
  await client.query("delete from autoembed.embedding_question");
  const search = createSearch({ config: { ...readConfig(environment), DATABASE_URL: database.url } });
  onTestFinished(() => search.close());
  const ask = (signal?: AbortSignal): Promise<unknown> =>
    search.search(QUESTION, { source: "patient_embeddings", hybrid: false, signal });
  const timesSent = (): number => provider.requests.filter(({ texts }) => texts.includes(QUESTION)).length;
  return { ask, provider, timesSent };
}

test("A question is paid for once by all who ask it at once, also where the first of them gives up", async () => {
  const { ask, provider, timesSent } = await prepareSearch();
  provider.latencyMs = 1_000;
  const first = new AbortController();
  const given = ask(first.signal).catch(() => undefined);
  const others = Array.from({ length: 8 }, () => ask());
  await expect.poll(timesSent).toBe(1);
  first.abort();
  await Promise.all([given, ...others]);
  expect(timesSent()).toBe(1);
});

test("A question that nobody waits for any more is asked anew by who asks it next", async () => {
  const { ask, provider, timesSent } = await prepareSearch();
  provider.latencyMs = 60_000;
  const only = new AbortController();
  const given = ask(only.signal);
  await expect.poll(timesSent).toBe(1);
  only.abort(new Error("given up"));
  await expect(given).rejects.toThrow("given up");
  provider.latencyMs = 0;
  await ask();
  expect(timesSent()).toBe(2);
});

test("Where the provider fails, all who ask at once learn of it by one request", async () => {
  const { ask, provider, timesSent } = await prepareSearch();
  provider.latencyMs = 1_000;
  provider.always(503);
  const all = Array.from({ length: 8 }, () => ask());
  for (const one of await Promise.allSettled(all)) expect(one.status).toBe("rejected");
  expect(timesSent()).toBe(1);
});
