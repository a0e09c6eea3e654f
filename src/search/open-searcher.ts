import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { KeptProviders } from "../providers/kept-providers.ts";
import { openReranker } from "../providers/rerank/reranker.ts";
import { Bills } from "./bills.ts";
import { Searcher } from "./searcher.ts";

interface OpenSearcher {
  readonly searcher: Searcher;
  readonly canRerank: boolean;
  /** Closes the providers and the reranker, and not the database. */
  readonly close: () => Promise<void>;
}

/** A searcher with providers and a reranker of its own, by the configuration; what it costs is counted. */
export function openSearcher(db: Database, config: Config): OpenSearcher {
  const providers = new KeptProviders(config);
  const reranker = openReranker(config);
  return {
    searcher: new Searcher({
      db,
      providerOf: (source) => providers.for(source, source.columnDimensions),
      timeoutMs: config.EMBEDDING_TIMEOUT,
      bills: new Bills(db, config),
      reranker,
    }),
    canRerank: reranker !== undefined,
    close: async () => {
      await providers.close();
      await reranker?.close();
    },
  };
}
