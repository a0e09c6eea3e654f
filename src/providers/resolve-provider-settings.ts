import type { Config } from "../config.ts";
import { SetupError } from "../errors.ts";
import type { ProviderSettings } from "./provider-settings.ts";
import { sourceSettings, type SourceSettings } from "./source-settings.ts";
import type { Source } from "../sources/source.ts";

/** What a source asks of its provider beside the environment's own settings. */
export type ProviderOverrides = Pick<Source, "backend" | "model" | "dimensions" | "settings">;

const NOTHING_SPECIAL: ProviderOverrides = { backend: null, model: null, dimensions: null, settings: {} };

/** The provider's settings from the environment, with what a source says of its own in their place. */
export function resolveProviderSettings(
  config: Config,
  wishes: ProviderOverrides = NOTHING_SPECIAL,
): ProviderSettings {
  const backend = wishes.backend ?? config.EMBEDDING_BACKEND;
  const common = {
    dimensions: wishes.dimensions ?? config.EMBEDDING_DIM,
    timeoutMs: config.EMBEDDING_TIMEOUT,
    ...(config.EMBED_MAX_TEXT_CHARACTERS === undefined
      ? {}
      : { limits: { textCharacters: config.EMBED_MAX_TEXT_CHARACTERS } }),
  };
  const http = {
    caFile: config.EMBED_CA_FILE,
    proxy: {
      https: process.env["HTTPS_PROXY"] ?? process.env["https_proxy"],
      http: process.env["HTTP_PROXY"] ?? process.env["http_proxy"],
      except: process.env["NO_PROXY"] ?? process.env["no_proxy"],
    },
  };
  const own = sourceSettings(wishes.settings);
  switch (backend) {
    case "llm_api":
      return {
        ...common,
        ...http,
        backend,
        model: wishes.model ?? config.OPENAI_EMBED_MODEL,
        baseUrl: own.base_url ?? config.OPENAI_BASE_URL,
        ...credentials(config, own),
        path: config.OPENAI_EMBED_PATH,
        extraBody: config.OPENAI_EXTRA_BODY,
        sendDimensions: config.OPENAI_SEND_DIMENSIONS,
      };
    case "ollama":
      return {
        ...common,
        ...http,
        backend,
        model: wishes.model ?? config.OLLAMA_EMBED_MODEL,
        baseUrl: own.base_url ?? config.OLLAMA_BASE_URL,
        keepAlive: config.OLLAMA_KEEP_ALIVE,
        options: config.OLLAMA_OPTIONS,
        truncate: config.OLLAMA_TRUNCATE,
        sendDimensions: config.OLLAMA_SEND_DIMENSIONS,
      };
    default:
      return { ...common, backend: "local" };
  }
}

/** The environment's key and headers go to the environment's server alone: another server needs a key of its own. */
function credentials(
  config: Config,
  { base_url, api_key_env }: SourceSettings,
): { apiKey: string | undefined; headers: Config["OPENAI_HEADERS"] } {
  const isSameServer =
    base_url === undefined || new URL(base_url).origin === new URL(config.OPENAI_BASE_URL).origin;
  const headers = isSameServer ? config.OPENAI_HEADERS : undefined;
  if (api_key_env === undefined) return { apiKey: isSameServer ? config.OPENAI_API_KEY : undefined, headers };
  const apiKey = process.env[api_key_env];
  if (apiKey === undefined || apiKey === "") {
    throw new SetupError(
      `${api_key_env} is not set in the listener's environment.`,
      "A source's settings name it as its api_key_env: set it, or watch the table again with another name.",
    );
  }
  return { apiKey, headers };
}
