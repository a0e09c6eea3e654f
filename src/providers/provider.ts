import type { VectorArray } from "../database/vector-array.ts";
import type { Role } from "./roles/role.ts";
import type { RateHints } from "./traffic/rate-hints.ts";
import type { Turn } from "./traffic/turn.ts";

/** How much one request to a provider may carry. */
export interface ProviderLimits {
  /** Inputs per request, at most. */
  readonly inputs: number;
  /** Characters per request, over all of its inputs, at most: they stand for tokens, which are not counted here. */
  readonly characters: number;
  /** Characters per text, at most: a row with a longer one fails, or its text is cut (`EMBED_ON_TOO_LONG`). */
  readonly textCharacters: number;
  /** Characters that are sent before each text, which count in a request. */
  readonly prefixCharacters?: number;
}

/** The result of one `embed` call. */
export interface Embeddings {
  /** One vector per text, in the order of the texts: checked for count, length and finite floats. */
  readonly vectors: VectorArray;
  /** Tokens that the provider charges: as it reports them, or estimated. */
  readonly tokens: number;
  /** The provider reports none. */
  readonly areTokensEstimated: boolean;
  /** From the request to its checked answer, without the wait for a turn. */
  readonly milliseconds: number;
}

export type OnReceived = (hints: RateHints) => void;

export interface EmbedOptions {
  /** Whose request it is and what for; by default a question of nobody's, or a change, as its role is. */
  readonly turn?: Partial<Turn> | undefined;
  /** Requests for these texts, at most, before an error is final, where the provider retries. */
  readonly attempts?: number | undefined;
  /** Called once when a good answer has arrived whole, before it is parsed, with what its headers say of the rate limit. */
  readonly onReceived?: OnReceived | undefined;
  /** Aborted when no further request may be sent, though one in flight may be answered. */
  readonly stopping?: AbortSignal | undefined;
}

/** Turns texts into vectors. `provider-stack.ts` shows what stands between a call and its request. */
export interface Provider {
  /** The id of its backend. */
  readonly backend: string;
  readonly model: string;
  /** The length of every vector: configured, or discovered by a probe when the provider was opened. */
  readonly dimensions: number;
  readonly limits: ProviderLimits;
  /** What its vectors of rows are called: see `fingerprintOf`. */
  readonly fingerprint: string;
  /** What version 0.1 called its vectors of rows; undefined where it would have sent something else with the texts. */
  readonly earlierName: string | undefined;
  /** What its vectors of questions are called. */
  readonly queryFingerprint: string;
  /**
   * Embeds non-empty texts, all of them in one role.
   * @throws {ProviderError} classified, never with a text in its message; when aborted, the signal's reason.
   */
  embed(
    texts: readonly string[],
    role: Role,
    signal: AbortSignal,
    options?: EmbedOptions,
  ): Promise<Embeddings>;
  /** From now on no request has more: the provider was seen to refuse it. */
  restrict?(limits: Partial<Pick<ProviderLimits, "inputs" | "characters">>): void;
  /** Resolves when a request would be sent soon: to be awaited before texts are claimed. @throws the signal's reason */
  ready(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** What `embedding_usage` calls a model: tokens and pace depend on the backend and the model alone. */
export function usageModel(provider: Pick<Provider, "backend" | "model">): string {
  return `${provider.backend}/${provider.model}`;
}
