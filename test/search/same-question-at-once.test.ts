import pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { overPool } from "../../src/database/over-pool.ts";
import type { Embeddings, Provider } from "../../src/providers/provider.ts";
import { createSearch } from "../../src/search/create-search.ts";
import { QuestionVectors } from "../../src/search/question-vectors.ts";
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

test("Who asks another provider of the same model does not wait for one that hangs", async () => {
  const { database } = await prepare();
  const pool = new pg.Pool({ connectionString: database.url, max: 1 });
  onTestFinished(() => pool.end());
  const questions = new QuestionVectors();
  const providerThat = (embed: Provider["embed"]): Provider =>
    ({ queryFingerprint: "of one model", embed }) as Partial<Provider> as Provider;
  const embed = vi.fn<Provider["embed"]>(() => new Promise(() => undefined));
  const vectors = { at: () => new Float32Array([1, 0]) } as Partial<Embeddings["vectors"]>;
  const healthy = providerThat(() => Promise.resolve({ vectors } as Partial<Embeddings> as Embeddings));
  const of = (provider: Provider, signal: AbortSignal): Promise<string> =>
    questions.of(overPool(pool), provider, QUESTION, signal, () => Promise.resolve());
  const givenUp = new AbortController();
  const hanging = of(providerThat(embed), givenUp.signal);
  await expect.poll(() => embed.mock.calls.length).toBe(1);
  expect(await of(healthy, AbortSignal.timeout(10_000))).toBe("[1,0]");
  givenUp.abort(new Error("given up"));
  await expect(hanging).rejects.toThrow("given up");
});
