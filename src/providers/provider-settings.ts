import type { ProviderLimits } from "./provider.ts";

/** What every backend needs to know. Times are milliseconds. */
interface CommonSettings {
  /** The length that every vector must have; discovered by a probe when not set. */
  readonly dimensions?: number | undefined;
  /** One request, from connecting to the last byte of its answer (`EMBEDDING_TIMEOUT`). */
  readonly timeoutMs: number;
  /** Takes the place of single limits of the backend. */
  readonly limits?: Partial<ProviderLimits> | undefined;
}

/** How to reach a provider by HTTP. */
export interface HttpSettings {
  /** Such as `https://api.openai.com/v1` or `http://127.0.0.1:11434`. */
  readonly baseUrl: string;
  /** Extra headers; their values are secrets like the key. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** A PEM file of authorities to trust beside Node's own. */
  readonly caFile?: string | undefined;
  /** From `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`. This machine itself is never asked through a proxy. */
  readonly proxy?: ProxySettings | undefined;
}

interface ProxySettings {
  readonly https?: string | undefined;
  readonly http?: string | undefined;
  /** Hosts to reach directly, with commas between. */
  readonly except?: string | undefined;
}

/** OpenAI's `POST /v1/embeddings`, which many other servers speak too. */
export interface OpenAiSettings extends CommonSettings, HttpSettings {
  readonly backend: "llm_api";
  readonly model: string;
  readonly apiKey?: string | undefined;
  /** After the base URL; `/embeddings` by default, `/v1/embeddings` where the base URL has no path of its own. */
  readonly path?: string | undefined;
  /** Whether `dimensions` is sent. By default only to `text-embedding-3-*`, the models known to take it. */
  readonly sendDimensions?: boolean | undefined;
  /** Merged into every request's body, for what only one service asks for (`{"input_type": "document"}`). */
  readonly extraBody?: Readonly<Record<string, unknown>> | undefined;
}

export interface OllamaSettings extends CommonSettings, HttpSettings {
  readonly backend: "ollama";
  readonly model: string;
  /** How long Ollama keeps the model in memory, such as `30m`, or `-1` for ever. */
  readonly keepAlive?: string | undefined;
  /** Whether Ollama may cut a text that is too long by itself. Off: it refuses, and we see it. */
  readonly truncate?: boolean | undefined;
  /** Model parameters, such as `{"num_ctx": 8192}`. */
  readonly options?: Readonly<Record<string, unknown>> | undefined;
  readonly sendDimensions?: boolean | undefined;
}

/** The model that npm carries: no key, no server, no download. */
export interface LocalSettings extends CommonSettings {
  readonly backend: "local";
}

export type ProviderSettings = OpenAiSettings | OllamaSettings | LocalSettings;
