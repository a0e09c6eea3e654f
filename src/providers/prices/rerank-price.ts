import { rerankSettings, type RerankConfig } from "../rerank/rerank-settings.ts";
import { listPriceOf } from "./list-prices.ts";

/** What a reranker's answers cost. Services count tokens, or requests. */
export interface RerankPrice {
  /** As `embedding_spending` calls it. */
  readonly model: string;
  readonly isKnown: boolean;
  readonly perMillion: number;
  readonly perRequest: number;
}

/** By the settings, else by the list. Undefined if no reranker is configured. */
export function rerankPrice(config: RerankConfig): RerankPrice | undefined {
  const settings = rerankSettings(config);
  if (settings === undefined) return undefined;
  const { RERANK_PRICE_PER_MILLION_TOKENS: perMillion, RERANK_PRICE_PER_REQUEST: perRequest } = config;
  const { backend, model = "" } = settings;
  const isSet = perMillion !== undefined || perRequest !== undefined;
  const listed = isSet ? undefined : listPriceOf(backend, model);
  return {
    model: `${backend}/${model}`,
    isKnown: isSet || listed !== undefined,
    perMillion: perMillion ?? listed ?? 0,
    perRequest: perRequest ?? 0,
  };
}

/** Undefined where the price is not known. */
export function rerankCost(
  { isKnown, perMillion, perRequest }: RerankPrice,
  { requests, tokens }: { readonly requests: number; readonly tokens: number },
): number | undefined {
  return isKnown ? (tokens / 1e6) * perMillion + requests * perRequest : undefined;
}
