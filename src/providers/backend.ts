import type { OnReceived, ProviderLimits } from "./provider.ts";

/** A vector as it was received: base64 of little-endian float32s, or an array of what should be numbers. */
export type RawVector = string | ArrayLike<unknown>;

/** A provider's answer, in the order of the texts, its vectors not checked yet. */
export interface RawAnswer {
  readonly vectors: readonly RawVector[];
  /** What the provider reports; undefined where it reports none, and 0 where there is nothing to pay for. */
  readonly tokens: number | undefined;
}

/** What is particular to one kind of provider: how it is asked. `ValidatingProvider` adds the checks that all share. */
export interface Backend {
  readonly name: string;
  readonly model: string;
  readonly limits: ProviderLimits;
  /** Where it is asked: origin and path; undefined where it is asked nowhere else. */
  readonly address?: string;
  /** Other settings that decide what its vectors are. */
  readonly shape?: Readonly<Record<string, unknown>>;
  /** One request. @throws {ProviderError} or, when aborted, the signal's reason. */
  ask(texts: readonly string[], signal: AbortSignal, onReceived?: OnReceived): Promise<RawAnswer>;
  close(): Promise<void>;
}
