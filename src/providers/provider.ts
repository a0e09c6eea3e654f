import type { VectorArray } from "../database/vector-array.ts";
import type { RateHints } from "./traffic/rate-hints.ts";

/** How much one request to a provider may carry. */
export interface ProviderLimits {
  /** Inputs a request, at most. */
  readonly inputs: number;
  /** Characters a request, over all of its inputs, at most: the packer's stand-in for tokens. */
  readonly characters: number;
  /** Characters a text, at most: a longer one is the row's own fault, or is cut (`EMBED_ON_TOO_LONG`). */
  readonly textCharacters: number;
}

/** What one `embed` call came to. */
export interface Embeddings {
  /** One vector a text, in the order of the texts: checked for count, length and finite floats. */
  readonly vectors: VectorArray;
  /** Tokens that the provider says it charged; 0 where it does not say. */
  readonly tokens: number;
}

export type OnReceived = (hints: RateHints) => void;

export interface EmbedOptions {
  /** Requests for these texts, at most, before an error is believed; a provider by itself sends one. */
  readonly attempts?: number | undefined;
  /** Told once when a good answer has come whole, before it is read, with the pace that its headers allow. */
  readonly onReceived?: OnReceived | undefined;
}

/** Turns texts into vectors. `provider-stack.ts` shows what stands between a call and its request. */
export interface Provider {
  /** The id of its backend. */
  readonly backend: string;
  readonly model: string;
  /** The length of every vector: configured, or discovered by a probe when the provider was opened. */
  readonly dimensions: number;
  readonly limits: ProviderLimits;
  /**
   * Embeds non-empty texts.
   * @throws {ProviderError} classified, never with a text in its message; when aborted, the signal's reason.
   */
  embed(texts: readonly string[], signal: AbortSignal, options?: EmbedOptions): Promise<Embeddings>;
  /** Resolves when a request would be sent soon: to be awaited before texts are claimed. @throws the signal's reason */
  ready(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** The cache's name for vectors that may be used for one another: who made them, and how long they are. */
export function cacheModel(provider: Pick<Provider, "backend" | "model" | "dimensions">): string {
  return `${provider.backend}/${provider.model}@${String(provider.dimensions)}`;
}
