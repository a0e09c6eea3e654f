import type { Database } from "../database/connect.ts";
import { addSpentIfPossible } from "../ledger/spending.ts";
import { costOf, priceOf, type PriceConfig } from "../providers/prices/price-of.ts";
import { rerankCost, rerankPrice } from "../providers/prices/rerank-price.ts";
import { usageModel, type Embeddings, type Provider } from "../providers/provider.ts";
import type { RerankConfig } from "../providers/rerank/rerank-settings.ts";
import type { Source } from "../sources/source.ts";

/** Counts what searches cost in the day's spending, where the role may write it. */
export class Bills {
  readonly #db: Database;
  readonly #config: PriceConfig & RerankConfig;

  constructor(db: Database, config: PriceConfig & RerankConfig) {
    this.#db = db;
    this.#config = config;
  }

  async question(source: Source, provider: Provider, { tokens }: Pick<Embeddings, "tokens">): Promise<void> {
    const { perMillion } = priceOf(this.#config, source);
    await addSpentIfPossible(this.#db, {
      source: source.name,
      model: usageModel(provider),
      purpose: "question",
      requests: 1,
      tokens,
      cost: costOf(tokens, perMillion),
    });
  }

  async ranking(
    source: Source,
    charged: { readonly requests: number; readonly tokens: number },
  ): Promise<void> {
    const price = rerankPrice(this.#config);
    if (price === undefined || charged.requests === 0) return;
    const cost = rerankCost(price, charged);
    await addSpentIfPossible(this.#db, {
      source: source.name,
      model: price.model,
      purpose: "rerank",
      ...charged,
      cost,
    });
  }
}
