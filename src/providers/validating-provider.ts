import { checkAnswer, lengthOf, WrongDimensions } from "./answer.ts";
import type { Backend } from "./backend.ts";
import { earlierNameOf, fingerprintOf } from "./fingerprint.ts";
import { PROBE_TEXT, refusesAll } from "./isolate/probe-text.ts";
import { ProviderError } from "./provider-error.ts";
import { estimateTokens } from "./token-count.ts";
import type { Embeddings, EmbedOptions, Provider } from "./provider.ts";
import type { Role } from "./roles/role.ts";
import type { PrefixedBackend } from "./roles/with-prefixes.ts";

/** A backend's answers, each checked before it goes any further: count, length, finite floats, a direction. */
export class ValidatingProvider implements Provider {
  readonly backend: string;
  readonly model: string;
  readonly dimensions: number;
  readonly fingerprint: string;
  readonly earlierName: string | undefined;
  readonly queryFingerprint: string;
  readonly #backend: PrefixedBackend;

  constructor(backend: PrefixedBackend, dimensions: number) {
    this.backend = backend.name;
    this.model = backend.model;
    this.dimensions = dimensions;
    this.fingerprint = fingerprintOf(backend, "document", dimensions);
    this.earlierName = earlierNameOf(backend, dimensions);
    this.queryFingerprint = fingerprintOf(backend, "query", dimensions);
    this.#backend = backend;
  }

  /**
   * Asks the backend for one vector, to learn its dimensions or to compare them with the expected ones.
   * @throws {ProviderError} when it does not answer, or with vectors of another length (`setup`); it is closed then
   */
  static async probed(
    backend: PrefixedBackend,
    expected: number | undefined,
    signal: AbortSignal,
  ): Promise<ValidatingProvider> {
    try {
      const dimensions = await probe(backend, signal);
      if (expected !== undefined && expected !== dimensions) {
        throw new WrongDimensions(nameOf(backend), dimensions, expected);
      }
      return new ValidatingProvider(backend, dimensions);
    } catch (error) {
      await backend.close();
      throw error;
    }
  }

  get limits(): Provider["limits"] {
    return this.#backend.limits;
  }

  async embed(
    texts: readonly string[],
    role: Role,
    signal: AbortSignal,
    options: EmbedOptions = {},
  ): Promise<Embeddings> {
    if (texts.includes("")) throw new ProviderError("row", "An empty text has no vector.");
    const started = performance.now();
    const { onReceived, stopping } = options;
    const answer = await this.#backend.ask(texts, role, signal, onReceived, stopping);
    const vectors = checkAnswer(answer, texts.length, this.dimensions, nameOf(this.#backend));
    return {
      vectors,
      tokens: answer.tokens ?? this.#estimateTokens(texts, role),
      areTokensEstimated: answer.tokens === undefined,
      milliseconds: performance.now() - started,
    };
  }

  #estimateTokens(texts: readonly string[], role: Role): number {
    return estimateTokens(texts) + texts.length * estimateTokens([this.#backend.prefixes[role]]);
  }

  /** One request per call, so nothing is waited for. */
  ready(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    return Promise.resolve();
  }

  async close(): Promise<void> {
    await this.#backend.close();
  }
}

async function probe(backend: Backend, signal: AbortSignal): Promise<number> {
  const answer = await backend.ask([PROBE_TEXT], "document", signal).catch((error: unknown) => {
    throw error instanceof ProviderError && error.kind === "row" ? refusesAll(error) : error;
  });
  const [vector] = answer.vectors;
  const length = vector === undefined ? undefined : lengthOf(vector);
  if (length === 0) {
    throw new ProviderError(
      "setup",
      `${nameOf(backend)} gives empty vectors: choose a model made for embeddings.`,
    );
  }
  const dimensions = length ?? 1;
  checkAnswer(answer, 1, dimensions, nameOf(backend));
  return dimensions;
}

function nameOf(backend: Backend): string {
  return `${backend.name} (${backend.model})`;
}
