import { expect, onTestFinished, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { Events } from "../../src/events.ts";
import { Providers } from "../../src/providers/registry.ts";
import { NO_OVERRIDES } from "../../src/providers/resolve-provider-settings.ts";
import type { RetryingProvider } from "../../src/providers/retrying-provider.ts";
import { startProviderServer } from "../support/provider-server.ts";

const never = new AbortController().signal;

async function prepare() {
  const server = await startProviderServer({ dimensions: 8 });
  onTestFinished(() => server.close());
  const config = readConfig({
    EMBEDDING_BACKEND: "llm_api",
    OPENAI_BASE_URL: server.openAiUrl,
    OPENAI_EMBED_MODEL: "m",
    EMBED_BACKOFF_MS: "1",
  });
  const providers = new Providers(config, new Events());
  onTestFinished(() => providers.close());
  return { server, providers };
}

/** Lets the provider be refused once, so that it learns a rate. */
async function throttle(
  { server }: Awaited<ReturnType<typeof prepare>>,
  provider: RetryingProvider,
): Promise<void> {
  await provider.embed(["one"], "document", never);
  server.next({ status: 429, headers: { "retry-after-ms": "50" } });
  await provider.embed(["two"], "document", never);
}

test("Sources that differ in their prefixes alone have one rate limit", async () => {
  const on = await prepare();
  const plain = await on.providers.for(NO_OVERRIDES);
  const prefixed = await on.providers.for({ ...NO_OVERRIDES, settings: { document_prefix: "note: " } });
  expect(prefixed).not.toBe(plain);
  await throttle(on, plain);
  expect(plain.requestsPerMinute).toBeGreaterThan(0);
  expect(prefixed.requestsPerMinute).toBe(plain.requestsPerMinute);
});

test.each([
  ["models", { ...NO_OVERRIDES, model: "another" }],
  ["servers", { ...NO_OVERRIDES, settings: { base_url: "OTHER" } }],
  ["limits of their own", { ...NO_OVERRIDES, settings: { concurrency: 2 } }],
])("Sources with different %s have different rate limits", async (_what, overrides) => {
  const on = await prepare();
  const { server: other } = await prepare();
  const settings = "base_url" in overrides.settings ? { base_url: other.openAiUrl } : overrides.settings;
  const one = await on.providers.for(NO_OVERRIDES);
  const another = await on.providers.for({ ...overrides, settings });
  await throttle(on, one);
  expect(one.requestsPerMinute).toBeGreaterThan(0);
  expect(another.requestsPerMinute).toBeUndefined();
});
