import { isOwnMachine } from "../known-backends.ts";

/** The day of the price lists that `LIST_PRICES` was taken from. Services change their prices: settings overrule these. */
export const LISTED_ON = "2025-10-01";

/**
 * US dollars per million tokens, as each service listed them for requests in real time, without discounts or free tiers.
 * Models that are sold in packages, by the character or by the hour are left out: their price is not known here.
 */
const LIST_PRICES: Readonly<Record<string, number>> = {
  "text-embedding-3-small": 0.02,
  "text-embedding-3-large": 0.13,
  "text-embedding-ada-002": 0.1,
  "voyage-3-large": 0.18,
  "voyage-3.5": 0.06,
  "voyage-3.5-lite": 0.02,
  "voyage-3": 0.06,
  "voyage-3-lite": 0.02,
  "voyage-code-3": 0.18,
  "voyage-finance-2": 0.12,
  "voyage-law-2": 0.12,
  "embed-v4.0": 0.12,
  "embed-english-v3.0": 0.1,
  "embed-multilingual-v3.0": 0.1,
  "gemini-embedding-001": 0.15,
  "mistral-embed": 0.1,
  "amazon.titan-embed-text-v2:0": 0.02,
  // Rerankers that are paid for by the token.
  "rerank-2.5": 0.05,
  "rerank-2.5-lite": 0.02,
};

/** @returns undefined where it is not known; 0 for a model that runs on your own machine */
export function listPriceOf(backend: string, model: string): number | undefined {
  if (isOwnMachine(backend)) return 0;
  return LIST_PRICES[model];
}
