import type { ProviderConfig } from "./provider-config.ts";
import type { ProviderSettings } from "./known-backends.ts";
import { openProvider, openProviderWithoutProbe } from "./provider-stack.ts";
import type { Provider } from "./provider.ts";
import { resolveProviderSettings, type ProviderOverrides } from "./resolve-provider-settings.ts";
import { withQuestionKey } from "./question-key.ts";

/**
 * Providers of questions, which stay open between searches, one per settings. Each call is one request, and nothing is retried: who
 * waits for an answer learns of a failure at once.
 */
export class KeptProviders {
  readonly #config: ProviderConfig;
  readonly #open = new Map<string, Promise<Provider>>();

  constructor(config: ProviderConfig) {
    this.#config = config;
  }

  /**
   * @param dimensions where they are known, the provider is not asked for a vector first
   * @throws {ProviderError} where it does not answer, or with vectors of another length
   */
  async for(overrides: ProviderOverrides, dimensions: number | null): Promise<Provider> {
    const wanted = { ...overrides, dimensions: dimensions ?? overrides.dimensions };
    const settings = withQuestionKey(resolveProviderSettings(this.#config, wanted), this.#config);
    const id = JSON.stringify(settings);
    const opening = this.#open.get(id) ?? openDirectly(settings);
    this.#open.set(id, opening);
    try {
      return await opening;
    } catch (error) {
      this.#open.delete(id);
      throw error;
    }
  }

  async close(): Promise<void> {
    const opened = await Promise.allSettled(this.#open.values());
    this.#open.clear();
    for (const one of opened) if (one.status === "fulfilled") await one.value.close();
  }
}

/** Asks for a vector where the length is not known. */
async function openDirectly(settings: ProviderSettings): Promise<Provider> {
  const { dimensions } = settings;
  return dimensions === undefined
    ? await openProvider(settings)
    : openProviderWithoutProbe({ ...settings, dimensions });
}
