import type { Config } from "../config.ts";
import { UsageError } from "../errors.ts";
import { priceOf } from "../providers/prices/price-of.ts";
import type { Source } from "../sources/source.ts";

/** @throws {UsageError} where the day's budget is money, and what a source's tokens cost is not known */
export function checkPrices(config: Config, sources: readonly Source[]): void {
  if (config.EMBED_DAILY_BUDGET?.unit !== "money") return;
  for (const source of sources) {
    const { perMillion, basis } = priceOf(config, source);
    if (perMillion !== undefined) continue;
    throw new UsageError(
      `EMBED_DAILY_BUDGET is money, and what ${source.name} costs is not known: ${basis}.`,
      "Set that price (0 for a server of your own), or give EMBED_DAILY_BUDGET in tokens, such as 2000000 tokens.",
    );
  }
}
