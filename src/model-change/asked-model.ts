import type { Config } from "../config.ts";
import { backendOf } from "../providers/known-backends.ts";
import { withProvider } from "../providers/with-provider.ts";
import { sourceSettings, type SourceSettings } from "../providers/source-settings.ts";
import { resolveProviderSettings, type ProviderOverrides } from "../providers/resolve-provider-settings.ts";
import type { Source } from "../sources/source.ts";
import type { NewModel } from "./prepare.ts";

/** The options that a person gives for the new model. Options that are not given stay as the source has them. */
export interface ModelOptions {
  readonly backend: Source["backend"];
  readonly model: string | null;
  readonly dimensions: number | undefined;
  readonly settings: SourceSettings;
}

/** The new model. If no dimensions were given, the provider is probed for them. */
export async function askedModel(config: Config, live: Source, asked: ModelOptions): Promise<NewModel> {
  const environment = { ...config, EMBEDDING_DIM: undefined };
  const overrides = withTheSameProvider(config, live, asked);
  const made = await withProvider(
    environment,
    { ...overrides, dimensions: asked.dimensions ?? null },
    { isPatient: true },
    ({ model, dimensions }) => ({ model, dimensions }),
  );
  return { ...overrides, ...made };
}

/**
 * If only a model is given, the provider stays the source's own: its texts must not go to the environment's provider
 * because the model was named alone. A different backend takes its settings from the environment. So does a different
 * server, whose key is never the old server's key. A prefix belongs to the model that it was chosen for.
 */
function withTheSameProvider(
  config: Config,
  live: Source,
  asked: ModelOptions,
): Omit<NewModel, "dimensions"> {
  const backend = asked.backend ?? live.backend;
  const isSameModel = asked.model === null || asked.model === modelOf(config, live);
  const own = isSameModel ? sourceSettings(live.settings) : withoutPrefixes(live.settings);
  const idOf = (name: string | null): string => backendOf(name ?? config.EMBEDDING_BACKEND).id;
  const isSameBackend = idOf(backend) === idOf(live.backend);
  const isSameServer =
    isSameBackend &&
    (asked.settings.base_url === undefined ||
      server(config, { ...live, settings: asked.settings }) === server(config, live));
  return {
    backend,
    model: asked.model ?? (isSameServer ? live.model : null),
    settings: isSameServer ? { ...own, ...asked.settings } : asked.settings,
  };
}

/** The name of a source's model, also where it follows the environment. */
function modelOf(config: Config, live: Source): string | undefined {
  const settings = providerOf(config, live);
  return "model" in settings ? settings.model : undefined;
}

function withoutPrefixes(settings: Source["settings"]): SourceSettings {
  const { document_prefix: _, query_prefix: __, ...rest } = sourceSettings(settings);
  return rest;
}

/**
 * Where the texts of a source go, in words: `text-embedding-3-large of llm_api at https://api.openai.com`, and the prefixes
 * that the source has of its own.
 */
export function describeModel(config: Config, overrides: Omit<ProviderOverrides, "dimensions">): string {
  const { backend } = providerOf(config, overrides);
  const at = server(config, overrides);
  const { document_prefix, query_prefix } = sourceSettings(overrides.settings);
  const prefixes = [
    ...(document_prefix === undefined ? [] : [`, texts after ${JSON.stringify(document_prefix)}`]),
    ...(query_prefix === undefined ? [] : [`, questions after ${JSON.stringify(query_prefix)}`]),
  ];
  return `${overrides.model ?? "its model"} of ${backend}${at === undefined ? "" : ` at ${at}`}${prefixes.join("")}`;
}

/** The server's origin, which contains no password. */
function server(config: Config, overrides: Omit<ProviderOverrides, "dimensions">): string | undefined {
  const settings = providerOf(config, overrides);
  return "baseUrl" in settings ? new URL(settings.baseUrl).origin : undefined;
}

/** The provider's settings without the key: this process may not have it. */
function providerOf(config: Config, { backend, model, settings }: Omit<ProviderOverrides, "dimensions">) {
  const { api_key_env: _, ...rest } = sourceSettings(settings);
  return resolveProviderSettings(config, { backend, model, dimensions: null, settings: rest });
}
