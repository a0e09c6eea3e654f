import { sourceSettings } from "../source-settings.ts";
import type { ProviderOverrides } from "../resolve-provider-settings.ts";
import type { Payer } from "../with-usage-events.ts";
import { priceOf, type PriceConfig } from "./price-of.ts";

/** What the answers of a source cost, and its share where several take turns. */
export function payerOf(config: PriceConfig, source: ProviderOverrides & { readonly name: string }): Payer {
  return {
    source: source.name,
    weight: sourceSettings(source.settings).weight ?? 1,
    price: priceOf(config, source).perMillion,
  };
}
