import { checkAnswer, lengthOf, wrongDimensions } from "./answer.ts";
import type { Backend } from "./backend.ts";
import { Local } from "./backends/local.ts";
import { Ollama } from "./backends/ollama.ts";
import { OpenAiCompatible } from "./backends/openai-compatible.ts";
import { PROBE_TEXT, refusesAll } from "./isolate/probe-text.ts";
import { ProviderError } from "./provider-error.ts";
import type { Embeddings, EmbedOptions, Provider } from "./provider.ts";
import type { ProviderSettings } from "./provider-settings.ts";

/**
 * Opens a provider and asks it for one vector, to learn its dimensions or to hold them against those in the settings.
 * @throws {ProviderError} when it does not answer, or with vectors of another length (`setup`)
 */
export async function openProvider(
  settings: ProviderSettings,
  signal: AbortSignal = new AbortController().signal,
): Promise<Provider> {
  const backend = openBackend(settings);
  try {
    const dimensions = await probe(backend, signal);
    if (settings.dimensions !== undefined && settings.dimensions !== dimensions) {
      throw wrongDimensions(nameOf(backend), dimensions, settings.dimensions);
    }
    return new ValidatingProvider(backend, dimensions);
  } catch (error) {
    await backend.close();
    throw error;
  }
}

/** A provider that nobody has asked yet, so that an outage keeps nothing from starting; each answer is checked as ever. */
export function openProviderWithoutProbe(
  settings: ProviderSettings & { readonly dimensions: number },
): Provider {
  return new ValidatingProvider(openBackend(settings), settings.dimensions);
}

function openBackend(settings: ProviderSettings): Backend {
  switch (settings.backend) {
    case "llm_api":
      return new OpenAiCompatible(settings);
    case "ollama":
      return new Ollama(settings);
    case "local":
      return new Local(settings);
  }
}

async function probe(backend: Backend, signal: AbortSignal): Promise<number> {
  const answer = await backend.ask([PROBE_TEXT], signal).catch((error: unknown) => {
    throw error instanceof ProviderError && error.fault === "row" ? refusesAll(error) : error;
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

class ValidatingProvider implements Provider {
  readonly backend: string;
  readonly model: string;
  readonly dimensions: number;
  readonly #backend: Backend;

  constructor(backend: Backend, dimensions: number) {
    this.backend = backend.name;
    this.model = backend.model;
    this.dimensions = dimensions;
    this.#backend = backend;
  }

  get limits(): Provider["limits"] {
    return this.#backend.limits;
  }

  async embed(
    texts: readonly string[],
    signal: AbortSignal,
    options: EmbedOptions = {},
  ): Promise<Embeddings> {
    if (texts.includes("")) throw new ProviderError("row", "An empty text has no vector.");
    const answer = await this.#backend.ask(texts, signal, options.onReceived);
    return checkAnswer(answer, texts.length, this.dimensions, nameOf(this.#backend));
  }

  async close(): Promise<void> {
    await this.#backend.close();
  }
}
