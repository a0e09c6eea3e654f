import type { ProviderConfig } from "./provider-config.ts";
import { forCommand, patiently } from "./for-command.ts";
import { backendOf } from "./known-backends.ts";
import { openProvider, openProviderWithoutProbe } from "./provider-stack.ts";
import type { Provider } from "./provider.ts";
import {
  NO_OVERRIDES,
  resolveProviderSettings,
  type ProviderOverrides,
} from "./resolve-provider-settings.ts";

/**
 * Opens a provider for one piece of work of a command, and closes it afterwards. A failure is reported at once.
 * @param options.dimensions where they are known, the provider is not asked for a vector first
 * @param options.isPatient what is throttled is sent again: `EMBED_MAX_RETRIES`, for half a minute
 * @throws {ProviderError} where it does not answer, or with vectors of another length
 */
export async function withProvider<T>(
  config: ProviderConfig,
  overrides: ProviderOverrides,
  options: {
    readonly dimensions?: number | null;
    readonly signal?: AbortSignal;
    readonly isPatient?: boolean;
  },
  work: (provider: Provider) => T | Promise<T>,
): Promise<T> {
  const settings = resolveProviderSettings(config, overrides);
  const { dimensions = null, signal = new AbortController().signal, isPatient = false } = options;
  const { EMBED_MAX_RETRIES: maxRetries, EMBED_BACKOFF_MS: backoffMs } = config;
  const patience = { maxRetries: isPatient ? maxRetries : 0, backoffMs };
  const opened =
    dimensions === null
      ? await patiently(patience, signal, () => openProvider(settings, signal))
      : openProviderWithoutProbe({ ...settings, dimensions });
  const provider = forCommand(opened, patience);
  try {
    return await work(provider);
  } finally {
    await provider.close();
  }
}

/** The length of the vectors that a provider makes: configured, the same for all of its kind, or what it answers with. */
export async function dimensionsOf(
  config: ProviderConfig,
  overrides: ProviderOverrides = NO_OVERRIDES,
): Promise<number> {
  // EMBEDDING_DIM is about the environment's model, and not about another one.
  const hasOwnModel = overrides.backend !== null || overrides.model !== null;
  const environment = hasOwnModel ? { ...config, EMBEDDING_DIM: undefined } : config;
  const known =
    overrides.dimensions ??
    environment.EMBEDDING_DIM ??
    backendOf(overrides.backend ?? config.EMBEDDING_BACKEND).dimensions;
  return known ?? (await withProvider(environment, overrides, {}, ({ dimensions }) => dimensions));
}
