import type { z } from "zod";
import type { BACKEND_ENVIRONMENT, BackendId } from "./known-backends.ts";
import type { RERANK_ENVIRONMENT } from "./rerank/rerank-settings.ts";

/** What providers read of the configuration: what each backend declares, and what all of them share. */
export type ProviderConfig = z.infer<z.ZodObject<typeof BACKEND_ENVIRONMENT & typeof RERANK_ENVIRONMENT>> & {
  readonly EMBEDDING_BACKEND: BackendId;
  readonly EMBEDDING_DIM?: number | undefined;
  readonly EMBEDDING_TIMEOUT: number;
  readonly EMBED_DOCUMENT_PREFIX?: string | undefined;
  readonly EMBED_QUERY_PREFIX?: string | undefined;
  readonly EMBED_MAX_TEXT_CHARACTERS?: number | undefined;
  readonly EMBED_MAX_CONCURRENCY: number;
  readonly EMBED_MAX_RETRIES: number;
  readonly EMBED_BACKOFF_MS: number;
  readonly EMBED_REQUESTS_PER_MINUTE?: number | undefined;
  readonly EMBED_TOKENS_PER_MINUTE?: number | undefined;
  readonly EMBED_CA_FILE?: string | undefined;
};
