import type { SourceSettings } from "../providers/source-settings.ts";

/** The options of a command for what a source's provider has of its own, in place of the environment's settings. */
export const PROVIDER_OPTIONS = {
  "base-url": { type: "string" },
  "api-key-env": { type: "string" },
  "document-prefix": { type: "string" },
  "query-prefix": { type: "string" },
} as const;

export const PROVIDER_USAGE =
  "[--base-url URL] [--api-key-env NAME_API_KEY] [--document-prefix TEXT] [--query-prefix TEXT]";

type Values = Readonly<Partial<Record<keyof typeof PROVIDER_OPTIONS, string | undefined>>>;

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
