import { expect, onTestFinished, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { WrongDimensions } from "../../src/providers/answer.ts";
import { patiently } from "../../src/providers/for-command.ts";
import { ProviderError } from "../../src/providers/provider-error.ts";
import { withProvider } from "../../src/providers/with-provider.ts";
import { NO_OVERRIDES } from "../../src/providers/resolve-provider-settings.ts";
import { SENT_SLOWER } from "../../src/providers/what-follows.ts";
import { startProviderServer } from "../support/provider-server.ts";

async function prepare(environment: Record<string, string> = {}) {
  const server = await startProviderServer({ dimensions: 8 });
  onTestFinished(() => server.close());
  const config = readConfig({
    EMBEDDING_BACKEND: "llm_api",
    OPENAI_BASE_URL: server.openAiUrl,
    OPENAI_API_KEY: "none",
    EMBED_BACKOFF_MS: "1",
    ...environment,
  });
  const embed = (text: string, signal = AbortSignal.timeout(20_000), isPatient = true): Promise<number> =>
    withProvider(config, NO_OVERRIDES, { signal, isPatient }, async (provider) => {
      const { vectors } = await provider.embed([text], "document", signal);
      return vectors.count;
    });
  return { server, config, embed };
}

test("A command's request that is throttled is sent again, the first one too", async () => {
  const { server, embed } = await prepare();
  server.next(429, 2);
  expect(await embed("a")).toBe(1);
  expect(server.requests.map(({ status }) => status)).toEqual([429, 429, 200, 200]);
});

test("A command that is throttled however often says what to do, after as many requests as it may send", async () => {
  const { server, embed } = await prepare({ EMBED_MAX_RETRIES: "3" });
  server.always(429);
  await expect(embed("a")).rejects.toThrow(/answered 429.*Run the command again in a moment\.$/);
  expect(server.requests).toHaveLength(4);
});

test("A command that was asked to wait for an hour ends at once, and one that waits ends with its signal", async () => {
  const { server, embed } = await prepare();
  server.always({ status: 429, headers: { "retry-after": "3600" } });
  await expect(embed("a")).rejects.toThrow(/Run the command again/);
  const interrupted = new AbortController();
  const asked = (): Promise<never> => {
    setImmediate(() => {
      interrupted.abort();
    });
    return Promise.reject(new ProviderError("throttled", `429. ${SENT_SLOWER}`, { retryAfterMs: 25_000 }));
  };
  const patience = { maxRetries: 5, backoffMs: 1 };
  await expect(patiently(patience, interrupted.signal, asked)).rejects.toThrow("429. Run the command again");
});

test("A command that has better things to do than to wait is told at once that it is throttled", async () => {
  const { server, embed } = await prepare();
  server.always(429);
  await expect(embed("a", AbortSignal.timeout(20_000), false)).rejects.toThrow(/answered 429/);
  expect(server.requests).toHaveLength(1);
});

test("A model that makes vectors of another length is refused as that", async () => {
  const { config } = await prepare();
  await expect(
    withProvider(config, { ...NO_OVERRIDES, model: "of-one-length", dimensions: 7 }, {}, () => 0),
  ).rejects.toThrow(WrongDimensions);
});

test("Any other failure is reported to a command at once, and nothing is said to be tried later", async () => {
  const { server, embed } = await prepare();
  server.always(503);
  const failed = await embed("a").catch((error: unknown) => (error as Error).message);
  expect(failed).toMatch(/answered 503.*Run the command again/);
  expect(failed).not.toContain("later");
  expect(server.requests).toHaveLength(1);
  server.always("one too many");
  await expect(embed("a")).rejects.toThrow(/Run the command again/);
});
