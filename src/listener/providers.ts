import type { Config } from "../config.ts";
import { openProvider } from "../providers/open-provider.ts";
import { PatientProvider } from "../providers/patient.ts";
import { providerSettings, type ProviderWishes } from "../sources/provider-settings.ts";

/** The open providers of a process. Sources with equal settings share one, its pace and its circuit. */
export class Providers {
  readonly #config: Config;
  readonly #open = new Map<string, Promise<PatientProvider>>();
  readonly #known = new Set<PatientProvider>();

  constructor(config: Config) {
    this.#config = config;
  }

  /** Opens the provider, or shares the one that is open. @throws {ProviderError} where it does not answer. */
  async for(wishes: ProviderWishes): Promise<PatientProvider> {
    const id = JSON.stringify(providerSettings(this.#config, wishes));
    const opening = this.#open.get(id) ?? this.#openOne(wishes);
    this.#open.set(id, opening);
    try {
      return await opening;
    } catch (error) {
      this.#open.delete(id);
      throw error;
    }
  }

  /** How each provider is, for `embedding_listener.state`: names, states and reasons. */
  describe(): Record<string, unknown>[] {
    return [...this.#known].map(({ backend, model, state, requestsPerMinute, concurrency }) => ({
      backend,
      model,
      state: state.name,
      since: state.since,
      reason: state.error?.message,
      requests_per_minute: requestsPerMinute,
      concurrency,
    }));
  }

  async close(): Promise<void> {
    for (const provider of this.#known) await provider.close();
  }

  async #openOne(wishes: ProviderWishes): Promise<PatientProvider> {
    const config = this.#config;
    const provider = new PatientProvider(await openProvider(providerSettings(config, wishes)), {
      maxRetries: config.EMBED_MAX_RETRIES,
      backoffMs: config.EMBED_BACKOFF_MS,
      maxConcurrency: config.EMBED_MAX_CONCURRENCY,
      ...(config.EMBED_REQUESTS_PER_MINUTE === undefined
        ? {}
        : { requestsPerMinute: config.EMBED_REQUESTS_PER_MINUTE }),
      ...(config.EMBED_TOKENS_PER_MINUTE === undefined
        ? {}
        : { tokensPerMinute: config.EMBED_TOKENS_PER_MINUTE }),
    });
    this.#known.add(provider);
    return provider;
  }
}
