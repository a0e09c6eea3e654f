import { expect, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { priceOf } from "../../src/providers/prices/price-of.ts";
import { NO_OVERRIDES } from "../../src/providers/resolve-provider-settings.ts";
import { money } from "../../src/status/describe-spent.ts";

const OPENAI = { EMBEDDING_BACKEND: "llm_api", OPENAI_EMBED_MODEL: "text-embedding-3-small" };
const PRICED = { ...OPENAI, EMBED_PRICE_PER_MILLION_TOKENS: "0.01" };
const settings = { price_per_million_tokens: 3, api_key_env: "OTHER_API_KEY" };

test.each([
  ["the list price of the environment's model", OPENAI, {}, 0.02, /^USD, at the list price of 2025-10-01/],
  ["the environment's price before the list", PRICED, {}, 0.01, /^EMBED_PRICE_PER_MILLION_TOKENS is 0.01$/],
  ["no price of another model", PRICED, { model: "my-own" }, undefined, /--setting price_per_million_tokens/],
  ["the list price of a source's model", PRICED, { model: "text-embedding-3-large" }, 0.13, /list price/],
  [
    "a source's own price before all",
    PRICED,
    { settings },
    3,
    /^the source's price_per_million_tokens is 3$/,
  ],
  [
    "no price of a model that no list has",
    { ...OPENAI, OPENAI_EMBED_MODEL: "m" },
    {},
    undefined,
    /set EMBED_PRICE/,
  ],
  ["0 for Ollama", { EMBEDDING_BACKEND: "ollama" }, {}, 0, /own machine/],
  [
    "another backend's list price",
    OPENAI,
    { backend: "voyage", model: "voyage-3.5" },
    0.06,
    /0.06 per million/,
  ],
])("A price: %s", (_what, environment, overrides, perMillion, basis) => {
  const price = priceOf(readConfig(environment), { ...NO_OVERRIDES, ...overrides });
  expect(price.perMillion).toBe(perMillion);
  expect(price.basis).toMatch(basis);
  expect(price.listedOn !== null).toBe(price.basis.includes("list price"));
});

test.each([
  [0, "0.00"],
  [12.345_6, "12.35"],
  [0.1, "0.10"],
  [0.0021, "0.0021"],
  // One token of a cheap model, in a notation that people read.
  [0.000_000_02, "0.000000020"],
])("%d is printed as %s", (amount, printed) => {
  expect(money(amount)).toBe(printed);
});
