import { SetupError } from "../../errors.ts";
import type { ProviderConfig } from "../provider-config.ts";
import {
  isEnvironmentsModel,
  modelOf,
  NO_OVERRIDES,
  resolveProviderSettings,
  type ProviderOverrides,
} from "../resolve-provider-settings.ts";
import { sourceSettings } from "../source-settings.ts";
import { LISTED_ON, listPriceOf } from "./list-prices.ts";

export type PriceConfig = ProviderConfig & { readonly EMBED_PRICE_PER_MILLION_TOKENS?: number | undefined };

/** What a million tokens of a source's model cost, and where that is from. */
export interface Price {
  /** Undefined where it is not known. In US dollars if it is a list price, else in the currency of the setting. */
  readonly perMillion: number | undefined;
  /** The day of the price list, YYYY-MM-DD; null if it is not a list price. */
  readonly listedOn: string | null;
  /** In words; where the price is not known, which setting gives it. */
  readonly basis: string;
}

/**
 * The price of a source's model: the source's own setting, else the environment's if it follows the environment's model,
 * else the list price. It asks nobody.
 */
export function priceOf(config: PriceConfig, overrides: ProviderOverrides = NO_OVERRIDES): Price {
  try {
    return findPrice(config, overrides);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    return { perMillion: undefined, listedOn: null, basis: error.message };
  }
}

/** The day of the price list, if the price of any of these sources is from it. */
export function listDateOf(config: PriceConfig, sources: readonly ProviderOverrides[]): string | null {
  return sources.some((source) => priceOf(config, source).listedOn !== null) ? LISTED_ON : null;
}

/** Money; undefined where the price is not known. */
export function costOf(tokens: number, perMillion: number | undefined): number | undefined {
  return perMillion === undefined ? undefined : (tokens / 1e6) * perMillion;
}

function findPrice(config: PriceConfig, overrides: ProviderOverrides): Price {
  const own = sourceSettings(overrides.settings).price_per_million_tokens;
  if (own !== undefined) return given(own, "the source's price_per_million_tokens");
  // A price needs no key.
  const { api_key_env: _, ...rest } = overrides.settings;
  const settings = resolveProviderSettings(config, { ...overrides, settings: rest });
  const followsEnvironment = isEnvironmentsModel(config, settings);
  const { EMBED_PRICE_PER_MILLION_TOKENS: price } = config;
  if (price !== undefined && followsEnvironment) return given(price, "EMBED_PRICE_PER_MILLION_TOKENS");
  const model = modelOf(settings) ?? settings.backend;
  const listed = listPriceOf(settings.backend, model);
  if (listed === 0) return { perMillion: 0, listedOn: null, basis: "it runs on your own machine" };
  if (listed !== undefined)
    return {
      perMillion: listed,
      listedOn: LISTED_ON,
      basis: `USD, at the list price of ${LISTED_ON}: ${listed} per million tokens`,
    };
  const setting = followsEnvironment
    ? "set EMBED_PRICE_PER_MILLION_TOKENS"
    : "watch it with --setting price_per_million_tokens=PRICE";
  return { perMillion: undefined, listedOn: null, basis: `the price of ${model} is not known; ${setting}` };
}

function given(price: number, setting: string): Price {
  return { perMillion: price, listedOn: null, basis: `${setting} is ${price}` };
}
