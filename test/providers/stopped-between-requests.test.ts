import { expect, onTestFinished, test } from "vitest";
import type { ProviderSettings } from "../../src/providers/known-backends.ts";
import { openProviderWithoutProbe } from "../../src/providers/provider-stack.ts";
import { RetryingProvider } from "../../src/providers/retrying-provider.ts";
import { itemsOf, startSpelledProvider, type Sent, type SpelledAnswer } from "../support/spelled-provider.ts";

const never = new AbortController().signal;

/** Asks for three texts, and stops while the first request whose path ends so is being answered. */
async function pathsUntilStopped(
  settings: (url: string) => ProviderSettings,
  path: string,
  answer: (sent: Sent) => SpelledAnswer,
): Promise<string[]> {
  const stop = { now: (): void => undefined };
  const server = await startSpelledProvider((sent) => {
    if (sent.path.endsWith(path)) stop.now();
    return answer(sent);
  });
  onTestFinished(() => server.close());
  const opened = openProviderWithoutProbe({ ...settings(server.url), dimensions: 8 });
  const provider = new RetryingProvider(opened);
  onTestFinished(() => provider.close());
  stop.now = () => {
    provider.stop();
  };
  await provider.embed(["one", "two", "three"], "document", never).catch(() => undefined);
  return server.requests.map((sent) => sent.path);
}

test("An Ollama that takes one text per call gets no further one after a stop", async () => {
  const paths = await pathsUntilStopped(
    (baseUrl) => ({ backend: "ollama", model: "m", baseUrl, timeoutMs: 20_000 }),
    "/api/embeddings",
    ({ path }) =>
      path.endsWith("/api/embed") ? { status: 404, body: {} } : { body: { embedding: Array(8).fill(1) } },
  );
  expect(paths).toEqual(["/v1/api/embed", "/v1/api/embeddings"]);
});

test("A server that refuses base64 is not asked for floats after a stop", async () => {
  const paths = await pathsUntilStopped(
    (baseUrl) => ({ backend: "llm_api", model: "m", baseUrl, timeoutMs: 20_000 }),
    "/embeddings",
    ({ isBase64, texts }) =>
      isBase64 ? { status: 400, body: { error: "no base64" } } : { body: { data: itemsOf(texts, 8) } },
  );
  expect(paths).toEqual(["/v1/embeddings"]);
});
