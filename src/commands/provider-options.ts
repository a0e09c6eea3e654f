import { BACKEND_IDS, backendIdOf, type BackendId } from "../providers/known-backends.ts";
import type { SourceSettings } from "../providers/source-settings.ts";
import { oneOf, type Options } from "./command.ts";

/** The options of a command for what a source's provider has of its own, in place of the environment's settings. */
export const PROVIDER_OPTIONS = {
  "base-url": {
    type: "string",
    value: "URL",
    about: "where the provider is, if it is not where the environment says",
  },
  "api-key-env": {
    type: "string",
    value: "NAME_API_KEY",
    about: "the variable of the environment that holds the key of this provider",
  },
  "document-prefix": {
    type: "string",
    value: "TEXT",
    about: "what is put before each text; default: what the model's family expects",
  },
  "query-prefix": { type: "string", value: "TEXT", about: "the same for questions" },
} as const satisfies Options;

export const PROVIDER_USAGE =
  "[--base-url URL] [--api-key-env NAME_API_KEY] [--document-prefix TEXT] [--query-prefix TEXT]";

type Values = Readonly<Partial<Record<keyof typeof PROVIDER_OPTIONS, string | undefined>>>;

/** The backend that `--backend` names, under any of its names. @throws {UsageError} */
export function backendOption(value: string | undefined): BackendId | undefined {
  return oneOf("--backend", value === undefined ? undefined : (backendIdOf(value) ?? value), BACKEND_IDS);
}

/** The settings that were given. An empty prefix is one: nothing is put before the texts. */
export function providerSettings(values: Values): SourceSettings {
  const settings = {
    base_url: values["base-url"],
    api_key_env: values["api-key-env"],
    document_prefix: values["document-prefix"],
    query_prefix: values["query-prefix"],
  };
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}
