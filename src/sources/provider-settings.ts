import type { Config } from "../config.ts";
import type { ProviderSettings } from "../providers/provider-settings.ts";
import type { Source } from "./source.ts";

/** What a source asks of its provider beside the environment's own settings. */
export type ProviderWishes = Pick<Source, "backend" | "model" | "dimensions" | "settings">;

const NOTHING_SPECIAL: ProviderWishes = { backend: null, model: null, dimensions: null, settings: {} };

/** The provider's settings from the environment, with what a source says of its own in their place. */
export function providerSettings(config: Config, wishes: ProviderWishes = NOTHING_SPECIAL): ProviderSettings {
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
  const baseUrl = wishes.settings["base_url"];
  switch (backend) {
    case "llm_api":
      return {
        ...common,
        ...http,
        backend,
        model: wishes.model ?? config.OPENAI_EMBED_MODEL,
        baseUrl: typeof baseUrl === "string" ? baseUrl : config.OPENAI_BASE_URL,
        apiKey: config.OPENAI_API_KEY,
        path: config.OPENAI_EMBED_PATH,
        headers: config.OPENAI_HEADERS,
        extraBody: config.OPENAI_EXTRA_BODY,
        sendDimensions: config.OPENAI_SEND_DIMENSIONS,
      };
    case "ollama":
      return {
        ...common,
        ...http,
        backend,
        model: wishes.model ?? config.OLLAMA_EMBED_MODEL,
        baseUrl: typeof baseUrl === "string" ? baseUrl : config.OLLAMA_BASE_URL,
        keepAlive: config.OLLAMA_KEEP_ALIVE,
        options: config.OLLAMA_OPTIONS,
        truncate: config.OLLAMA_TRUNCATE,
        sendDimensions: config.OLLAMA_SEND_DIMENSIONS,
      };
    default:
      return { ...common, backend: "local" };
  }
}
