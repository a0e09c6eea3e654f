import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { destinationOf } from "../../src/providers/destination.ts";
import { earlierNameOf, fingerprintOf } from "../../src/providers/fingerprint.ts";
import { describeProvider } from "../../src/providers/describe-provider.ts";
import { NO_OVERRIDES, type ProviderOverrides } from "../../src/providers/resolve-provider-settings.ts";

const GATEWAY = "http://gateway.example/v1";

const describeWith = async (
  environment: Readonly<Record<string, string>>,
  overrides: Partial<ProviderOverrides> = {},
) => {
  const config = readConfig({ EMBEDDING_BACKEND: "llm_api", OPENAI_API_KEY: "k", ...environment });
  const source = { ...NO_OVERRIDES, ...overrides };
  const described = await describeProvider(config, source);
  return { described, config, source, name: fingerprintOf(described, "document", 4) };
};

const at = async (baseUrl: string, more: Readonly<Record<string, string>> = {}) =>
  (await describeWith({ OPENAI_BASE_URL: baseUrl, ...more })).name;

test("A parameter of the address that may decide the vectors is part of their fingerprint, in any order", async () => {
  const plain = await at(GATEWAY);
  const a = await at(`${GATEWAY}?deployment=a`);
  const b = await at(`${GATEWAY}?deployment=b`);
  expect(new Set([plain, a, b]).size).toBe(3);
  expect(await at(`${GATEWAY}?deployment=a&pool=1`)).toBe(await at(`${GATEWAY}?pool=1&deployment=a`));
  expect(await at(GATEWAY, { OPENAI_EMBED_PATH: "/embeddings?deployment=a" })).toBe(a);
});

test.each([
  ...["api-version", "apiVersion", "key", "api_key", "apikey", "subscription-key", "subscriptionKey", "code"],
  ...[
    "accessToken",
    "access_token",
    "token",
    "clientSecret",
    "client.secret",
    "secret",
    "APIKey",
    "x-api-key",
  ],
  ...["password", "auth", "authToken", "signature", "secretValue", "X-Amz-Credential", "X-Amz-Date"],
  ...["X-Amz-Signature", "X-Amz-Security-Token", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Goog-Signature"],
  ...["sig", "sig=1&se", "sig=1&sp", "sig=1&sv", "sig=1&sr"],
])("A version or a secret in the address (%s) leaves the fingerprint as it is", async (name) => {
  expect(await at(`${GATEWAY}?${name}=s`)).toBe(await at(GATEWAY));
});

test.each([
  ...["lang_code", "langCode", "model_key", "modelKey", "keyword", "max_tokens", "token_limit", "author"],
  ...["version", "se", "sp", "monkey", "X-Amz-Target", "codec"],
])("What may decide the vectors is none: %s", async (name) => {
  expect(await at(`${GATEWAY}?${name}=s`)).not.toBe(await at(GATEWAY));
});

test("The parameters of a template's url are part of the fingerprint, and a variable's value is not", async () => {
  const folder = await mkdtemp(join(tmpdir(), "autoembed-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, "template.json");
  const of = async (url: string): Promise<string> => {
    const template = { url, model: "m", headers: {}, body: { in: "{{texts}}" }, vectors: "e", max_inputs: 2 };
    await writeFile(file, JSON.stringify(template));
    return (await describeWith({ EMBEDDING_BACKEND: "rest", EMBED_REST_TEMPLATE: file })).name;
  };
  const a = await of(`${GATEWAY}?pool=a`);
  expect(await of(`${GATEWAY}?pool=b`)).not.toBe(a);
  expect(await of(`${GATEWAY}?pool=a&token={{env:SOME_TOKEN}}`)).toBe(a);
});

test("`egress` names no parameter of the address as a field of the request", async () => {
  const { config, source } = await describeWith({ OPENAI_BASE_URL: `${GATEWAY}?deployment=a` });
  expect((await destinationOf(config, source)).fields).toEqual({ document: [], query: [] });
});

test.each(["llm_api", "ollama"])(
  "A source of %s with an address of its own takes no vector that version 0.1 named by the model alone",
  async (backend) => {
    const environment = { EMBEDDING_BACKEND: backend, OLLAMA_EMBED_MODEL: "m", OPENAI_EMBED_MODEL: "m" };
    const named = async (overrides?: Partial<ProviderOverrides>) =>
      earlierNameOf((await describeWith(environment, overrides)).described, 4);
    expect(await named()).toBe(`${backend}/m@4`);
    expect(await named({ settings: { base_url: "http://elsewhere.example/v1" } })).toBeUndefined();
  },
);
