import { expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { createSearch } from "../../src/search/create-search.ts";
import { destinationOf } from "../../src/providers/destination.ts";
import { NO_OVERRIDES, resolveProviderSettings } from "../../src/providers/resolve-provider-settings.ts";
import { withQuestionKey } from "../../src/providers/question-key.ts";
import { prepare } from "../support/listening.ts";

const KEYS = { OPENAI_API_KEY: "key-of-rows", OPENAI_QUERY_API_KEY: "key-of-questions" };

test("Rows are embedded with the one key and questions with the other, also while the first is refused", async () => {
  const { client, database, environment, listen, provider } = await prepare(KEYS);
  const listener = await listen();
  await client.query("insert into patient_embeddings values (1, 'a note'), (2, 'another note')");
  await listener.whenDrained();
  const keyOf = (text: string): string | undefined =>
    provider.requests.findLast(({ texts }) => texts.includes(text))?.headers.authorization;
  expect(keyOf("a note")).toBe("Bearer key-of-rows");

  // From here on, whatever comes with the first key is refused.
  provider.apiKey = "key-of-questions";
  await client.query("update patient_embeddings set context_text = 'a changed note' where patient_id = 1");
  await expect.poll(() => keyOf("a changed note")).toBe("Bearer key-of-rows");
  const search = createSearch({ config: { ...readConfig(environment), DATABASE_URL: database.url } });
  onTestFinished(() => search.close());
  const { hits } = await search.search("a question", { hybrid: false });
  expect(hits).toHaveLength(2);
  expect(keyOf("a question")).toBe("Bearer key-of-questions");
  // The listener's own questions, those of the page and of autoembed.ask().
  const questions = await listener.provider(NO_OVERRIDES);
  await questions.embed(["of the listener"], "query", AbortSignal.timeout(10_000));
  expect(keyOf("of the listener")).toBe("Bearer key-of-questions");
  if (database.engine !== "embedded") {
    await client.query("call autoembed.ask('patient_embeddings', 'asked from SQL')");
    expect(keyOf("asked from SQL")).toBe("Bearer key-of-questions");
  }
});

test("The key for questions goes where the key goes, and nowhere else", async () => {
  const config = readConfig({ EMBEDDING_BACKEND: "openai", ...KEYS });
  const settingsOf = (settings: Readonly<Record<string, unknown>>): unknown =>
    withQuestionKey(resolveProviderSettings(config, { ...NO_OVERRIDES, settings }), config);
  expect(settingsOf({})).toMatchObject({ apiKey: "key-of-questions", keyName: "OPENAI_QUERY_API_KEY" });
  expect(settingsOf({ base_url: "https://another.example/v1" })).not.toHaveProperty("apiKey");
  const { keys } = await destinationOf(config, NO_OVERRIDES);
  expect(keys).toEqual(["OPENAI_API_KEY", "OPENAI_QUERY_API_KEY"]);
  const withToken = readConfig({ EMBEDDING_BACKEND: "openai", ...KEYS, OPENAI_ACCESS_TOKEN_COMMAND: "a" });
  expect((await destinationOf(withToken, NO_OVERRIDES)).keys).toEqual([
    "OPENAI_ACCESS_TOKEN_COMMAND",
    "OPENAI_QUERY_API_KEY",
  ]);
  const one = readConfig({ EMBEDDING_BACKEND: "openai", OPENAI_API_KEY: "key" });
  const same = resolveProviderSettings(one, NO_OVERRIDES);
  expect(withQuestionKey(same, one)).toBe(same);
});

test("A source's key for questions that has the value of the environment's is not sent to the source's server", () => {
  vi.stubEnv("TEAM_API_KEY", "team-key");
  vi.stubEnv("TEAM_QUERY_API_KEY", "key-of-rows");
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
  const config = readConfig({ EMBEDDING_BACKEND: "voyage", ...KEYS });
  const settings = { base_url: "https://another.example/v1", api_key_env: "TEAM_API_KEY" };
  const resolved = resolveProviderSettings(config, { ...NO_OVERRIDES, settings });
  expect(() => withQuestionKey(resolved, config)).toThrow("is not sent to another server");
});
