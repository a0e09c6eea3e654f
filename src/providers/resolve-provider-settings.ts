import type { ProviderConfig } from "./provider-config.ts";
import { networkSettings } from "./network-settings.ts";
import { refuseKeyOfAnotherServer } from "./key-server.ts";
import { backendOf, type ProviderSettings } from "./known-backends.ts";
import { sourceSettings } from "./source-settings.ts";

/** What a source has of its own in place of the environment's settings; null follows the environment. */
export interface ProviderOverrides {
  readonly backend: string | null;
  readonly model: string | null;
  readonly dimensions: number | null;
  readonly settings: Readonly<Record<string, unknown>>;
}

/** The provider as the environment has it. */
export const NO_OVERRIDES: ProviderOverrides = { backend: null, model: null, dimensions: null, settings: {} };

/**
 * The provider's settings from the environment, with what a source has of its own in their place.
 * @throws {SetupError} where the source names a backend, a setting or a key that is not known here, or the key of another server.
 */
export function resolveProviderSettings(
  config: ProviderConfig,
  overrides: ProviderOverrides = NO_OVERRIDES,
): ProviderSettings {
  const settings = resolve(config, overrides);
  refuseKeyOfAnotherServer(config, settings);
  const { document_prefix, query_prefix } = sourceSettings(overrides.settings);
  // The environment's prefixes are about the environment's model, and not about another one.
  const environment = isEnvironmentsModel(config, settings) ? config : undefined;
  const prefixes = {
    document: document_prefix ?? environment?.EMBED_DOCUMENT_PREFIX,
    query: query_prefix ?? environment?.EMBED_QUERY_PREFIX,
  };
  return { ...settings, prefixes };
}

function resolve(config: ProviderConfig, overrides: ProviderOverrides): ProviderSettings {
  const source = sourceSettings(overrides.settings);
  const textCharacters = source.max_text_characters ?? config.EMBED_MAX_TEXT_CHARACTERS;
  return backendOf(overrides.backend ?? config.EMBEDDING_BACKEND).resolve({
    environment: config,
    source,
    model: overrides.model,
    common: {
      dimensions: overrides.dimensions ?? config.EMBEDDING_DIM,
      timeoutMs: source.timeout_ms ?? config.EMBEDDING_TIMEOUT,
      ...(textCharacters === undefined ? {} : { limits: { textCharacters } }),
    },
    network: networkSettings(config),
  });
}

/** Whether they are about the model that the environment names: its prefixes and its price are about no other. */
export function isEnvironmentsModel(config: ProviderConfig, settings: ProviderSettings): boolean {
  const environments = resolve(config, NO_OVERRIDES);
  return settings.backend === environments.backend && modelOf(settings) === modelOf(environments);
}

/** Undefined for a backend that has one model. */
export function modelOf(settings: ProviderSettings): string | undefined {
  return "model" in settings ? settings.model : undefined;
}
