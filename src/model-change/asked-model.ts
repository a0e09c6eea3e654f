import type { Config } from "../config.ts";
import { openProvider } from "../providers/open-provider.ts";
import { sourceSettings, type SourceSettings } from "../providers/source-settings.ts";
import { resolveProviderSettings, type ProviderOverrides } from "../providers/resolve-provider-settings.ts";
import type { Source } from "../sources/source.ts";
import type { NewModel } from "./prepare.ts";

/** What a person says of the new model; the rest is as the source has it. */
export interface ModelWishes {
  readonly backend: Source["backend"];
  readonly model: string | null;
  readonly dimensions: number | undefined;
  readonly settings: SourceSettings;
}

/** The model as it was asked for, its dimensions from the provider where they were not said. */
export async function askedModel(config: Config, live: Source, asked: ModelWishes): Promise<NewModel> {
  const environment = { ...config, EMBEDDING_DIM: undefined };
  const wishes = withTheSameProvider(config, live, asked);
  const provider = await openProvider(
    resolveProviderSettings(environment, { ...wishes, dimensions: asked.dimensions ?? null }),
  );
  await provider.close();
  return { ...wishes, model: provider.model, dimensions: provider.dimensions };
}

/**
 * Another model alone is another model of the same provider: a source's texts do not go to the environment's provider
 * because only the model was named. Another backend follows the environment, and so does another server in what it
 * needs beside: the key for one is not sent to another.
 */
function withTheSameProvider(config: Config, live: Source, asked: ModelWishes): Omit<NewModel, "dimensions"> {
  const backend = asked.backend ?? live.backend;
  const own = sourceSettings(live.settings);
  const isSameBackend = (backend ?? config.EMBEDDING_BACKEND) === (live.backend ?? config.EMBEDDING_BACKEND);
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

/** Where the texts of a source go, for people: `text-embedding-3-large of llm_api at https://api.openai.com`. */
export function whoEmbeds(config: Config, wishes: Omit<ProviderOverrides, "dimensions">): string {
  const { backend } = providerOf(config, wishes);
  const at = server(config, wishes);
  return `${wishes.model ?? "its model"} of ${backend}${at === undefined ? "" : ` at ${at}`}`;
}

/** Without what a URL may have of a password. */
function server(config: Config, wishes: Omit<ProviderOverrides, "dimensions">): string | undefined {
  const settings = providerOf(config, wishes);
  return "baseUrl" in settings ? new URL(settings.baseUrl).origin : undefined;
}

/** Without the key, which may not be known here. */
function providerOf(config: Config, { backend, model, settings }: Omit<ProviderOverrides, "dimensions">) {
  const { api_key_env: _, ...rest } = sourceSettings(settings);
  return resolveProviderSettings(config, { backend, model, dimensions: null, settings: rest });
}
