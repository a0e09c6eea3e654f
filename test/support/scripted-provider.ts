import { VectorArray } from "../../src/database/vector-array.ts";
import { ProviderError } from "../../src/providers/provider-error.ts";
import type { Embeddings, EmbedOptions, Provider } from "../../src/providers/provider.ts";
import type { Role } from "../../src/providers/roles/role.ts";
import { oracleVector } from "./oracle-vector.ts";

/** A provider in memory: it answers right, after what `script` waits for or unless it throws. */
export class ScriptedProvider implements Provider {
  readonly backend = "scripted";
  readonly model = "oracle";
  readonly fingerprint = "scripted/model@2";
  readonly earlierName = undefined;
  readonly queryFingerprint = "scripted/model@2 of questions";
  readonly dimensions = 4;
  limits = { inputs: 1000, characters: 1_000_000, textCharacters: 1_000_000 };
  readonly calls: (readonly string[])[] = [];
  /** Of each call. */
  readonly roles: Role[] = [];
  script: (texts: readonly string[], call: number, options?: EmbedOptions) => void | Promise<void>;

  constructor(script: ScriptedProvider["script"] = () => undefined) {
    this.script = script;
  }

  async embed(
    texts: readonly string[],
    role: Role,
    signal: AbortSignal,
    options?: EmbedOptions,
  ): Promise<Embeddings> {
    signal.throwIfAborted();
    this.calls.push(texts);
    this.roles.push(role);
    await this.script(texts, this.calls.length, options);
    const vectors = new VectorArray(texts.length, this.dimensions);
    for (const [i, text] of texts.entries()) vectors.setFloats(i, oracleVector(text, this.dimensions));
    return { vectors, tokens: texts.length, areTokensEstimated: false, milliseconds: 0 };
  }

  ready(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

export const unavailable = (): ProviderError =>
  new ProviderError("unavailable", "told to be unavailable", { status: 503 });
export const refusal = (): ProviderError => new ProviderError("row", "I will not read that", { status: 400 });
