import type { Config } from "../config.ts";
import { openProvider, openProviderWithoutProbe } from "./open-provider.ts";
import { RetryingProvider } from "./retrying-provider.ts";
import { ProviderError } from "./provider-error.ts";
import type { ProviderSettings } from "./provider-settings.ts";
import type { Provider } from "./provider.ts";
import type { Events } from "../events.ts";
import { withRequestEvents } from "./with-request-events.ts";
import { sourceSettings } from "./source-settings.ts";
import { resolveProviderSettings, type ProviderOverrides } from "./resolve-provider-settings.ts";

/** How a provider is, as `embedding_listener.state` and the page tell it. */
export interface ProviderDescription {
  readonly backend: string;
  readonly model: string;
  readonly state: "closed" | "throttled" | "open";
  readonly since: string;
  readonly reason: string | null;
  /** That it is believed to allow; null while nothing is known. */
  readonly requests_per_minute: number | null;
  readonly concurrency: number;
}

/** The open providers of a process. Sources with equal settings share one, its pace and its circuit. */
export class Providers {
  readonly #config: Config;
  readonly #events: Events;
  readonly #open = new Map<string, Promise<RetryingProvider>>();
  readonly #known = new Set<RetryingProvider>();
  #closed = false;

  constructor(config: Config, events: Events) {
    this.#config = config;
    this.#events = events;
  }

  /** Opens the provider, or shares the one that is open. @throws {ProviderError} where it does not answer. */
  async for(wishes: ProviderOverrides): Promise<RetryingProvider> {
    const id = JSON.stringify([resolveProviderSettings(this.#config, wishes), paceOf(this.#config, wishes)]);
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
  describe(): ProviderDescription[] {
    return [...this.#known].map(({ backend, model, state, requestsPerMinute, concurrency }) => ({
      backend,
      model,
      state: state.name,
      since: state.since.toISOString(),
      reason: state.error?.message ?? null,
      requests_per_minute: requestsPerMinute ?? null,
      concurrency,
    }));
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const provider of this.#known) await provider.close();
  }

  async #openOne(wishes: ProviderOverrides): Promise<RetryingProvider> {
    const config = this.#config;
    const provider = new RetryingProvider(
      withRequestEvents(await openProviderTolerantly(resolveProviderSettings(config, wishes)), this.#events),
      {
        maxRetries: config.EMBED_MAX_RETRIES,
        backoffMs: config.EMBED_BACKOFF_MS,
        ...paceOf(config, wishes),
      },
    );
    this.#known.add(provider);
    if (this.#closed) await provider.close();
    return provider;
  }
}

/** The pace that the source's own settings allow, else the environment's. */
function paceOf(config: Config, wishes: ProviderOverrides) {
  const own = sourceSettings(wishes.settings);
  const requestsPerMinute = own.requests_per_minute ?? config.EMBED_REQUESTS_PER_MINUTE;
  const tokensPerMinute = own.tokens_per_minute ?? config.EMBED_TOKENS_PER_MINUTE;
  return {
    maxConcurrency: own.concurrency ?? config.EMBED_MAX_CONCURRENCY,
    ...(requestsPerMinute === undefined ? {} : { requestsPerMinute }),
    ...(tokensPerMinute === undefined ? {} : { tokensPerMinute }),
  };
}

/** An outage keeps no listener from starting: where the dimensions are configured, the first answer may come later. */
async function openProviderTolerantly(settings: ProviderSettings): Promise<Provider> {
  try {
    return await openProvider(settings);
  } catch (error) {
    const passing =
      error instanceof ProviderError && (error.fault === "unwell" || error.fault === "throttled");
    if (!passing || settings.dimensions === undefined) throw error;
    return openProviderWithoutProbe({ ...settings, dimensions: settings.dimensions });
  }
}
