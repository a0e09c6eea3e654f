import type { z } from "zod";
import type { BACKEND_ENVIRONMENT, BackendId } from "./known-backends.ts";

/** The settings of the environment that providers read: the configuration has them, among others. */
export type ProviderEnvironment = Readonly<
  z.infer<z.ZodObject<typeof BACKEND_ENVIRONMENT>> & {
    EMBEDDING_BACKEND: BackendId;
    EMBEDDING_DIM?: number | undefined;
    EMBEDDING_TIMEOUT: number;
    EMBED_MAX_CONCURRENCY: number;
    EMBED_MAX_RETRIES: number;
    EMBED_BACKOFF_MS: number;
    EMBED_REQUESTS_PER_MINUTE?: number | undefined;
    EMBED_TOKENS_PER_MINUTE?: number | undefined;
    EMBED_MAX_TEXT_CHARACTERS?: number | undefined;
    EMBED_CA_FILE?: string | undefined;
  }
>;
