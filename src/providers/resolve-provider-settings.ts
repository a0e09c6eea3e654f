import type { ProviderConfig } from "./provider-config.ts";
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
 * @throws {SetupError} where the source names a backend, a setting or a key that is not known here.
 */
export function resolveProviderSettings(
  config: ProviderConfig,
  overrides: ProviderOverrides = NO_OVERRIDES,
): ProviderSettings {
  const settings = resolve(config, overrides);
  const { document_prefix, query_prefix } = sourceSettings(overrides.settings);
  // The environment's prefixes are about the environment's model, and not about another one.
  const environment = isSameModel(settings, resolve(config, NO_OVERRIDES)) ? config : undefined;
  const prefixes = {
    document: document_prefix ?? environment?.EMBED_DOCUMENT_PREFIX,
    query: query_prefix ?? environment?.EMBED_QUERY_PREFIX,
  };
  return { ...settings, prefixes };
}

function resolve(config: ProviderConfig, overrides: ProviderOverrides): ProviderSettings {
  return backendOf(overrides.backend ?? config.EMBEDDING_BACKEND).resolve({
    environment: config,
    source: sourceSettings(overrides.settings),
    model: overrides.model,
    common: {
      dimensions: overrides.dimensions ?? config.EMBEDDING_DIM,
      timeoutMs: config.EMBEDDING_TIMEOUT,
      ...(config.EMBED_MAX_TEXT_CHARACTERS === undefined
        ? {}
        : { limits: { textCharacters: config.EMBED_MAX_TEXT_CHARACTERS } }),
    },
    network: {
      caFile: config.EMBED_CA_FILE,
      proxy: {
        https: process.env["HTTPS_PROXY"] ?? process.env["https_proxy"],
        http: process.env["HTTP_PROXY"] ?? process.env["http_proxy"],
        except: process.env["NO_PROXY"] ?? process.env["no_proxy"],
      },
    },
  });
}

function isSameModel(one: ProviderSettings, other: ProviderSettings): boolean {
  return one.backend === other.backend && modelOf(one) === modelOf(other);
}

function modelOf(settings: ProviderSettings): string | undefined {
  return "model" in settings ? settings.model : undefined;
}
