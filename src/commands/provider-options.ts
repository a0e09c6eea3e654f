import { BACKEND_IDS, backendIdOf, type BackendId } from "../providers/known-backends.ts";
import { hasUser } from "../declared/without-user.ts";
import { sourceSettings, type SourceSettings } from "../providers/source-settings.ts";
import { UsageError } from "../errors.ts";
import { oneOf, wholeNumber, type Options } from "./command.ts";

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
  weight: {
    type: "string",
    value: "N",
    about: "its share where sources of one key take turns: 2 gets twice as much as 1, the default",
  },
  setting: {
    type: "string",
    value: "NAME=VALUE",
    multiple: true,
    about: "any other setting of the source's own, such as timeout_ms=60000",
  },
} as const satisfies Options;

export const PROVIDER_USAGE =
  "[--base-url URL] [--api-key-env NAME_API_KEY] [--document-prefix TEXT] [--query-prefix TEXT] [--weight N] [--setting NAME=VALUE]...";

type Flag = Exclude<keyof typeof PROVIDER_OPTIONS, "setting">;
type Values = Readonly<Partial<Record<Flag, string | undefined>>> & {
  readonly setting?: readonly string[] | undefined;
};

/** The backend that `--backend` names, under any of its names. @throws {UsageError} */
export function backendOption(value: string | undefined): BackendId | undefined {
  return oneOf("--backend", value === undefined ? undefined : (backendIdOf(value) ?? value), BACKEND_IDS);
}

/**
 * The settings that were given. An empty prefix is one: nothing is put before the texts.
 * @throws {UsageError} | {SetupError} that names what is wrong
 */
export function providerSettings(values: Values): SourceSettings {
  const settings = {
    base_url: values["base-url"],
    api_key_env: values["api-key-env"],
    document_prefix: values["document-prefix"],
    query_prefix: values["query-prefix"],
    weight: values.weight === undefined ? undefined : wholeNumber("--weight", values.weight, 1, 100),
  };
  const given = Object.entries(settings).filter(([, value]) => value !== undefined);
  const own = sourceSettings(Object.fromEntries([...(values.setting ?? []).map(namedValue), ...given]));
  if (own.base_url !== undefined && hasUser(own.base_url))
    throw new UsageError(
      "The address has a user or a password in it, which is not sent. Nothing was changed.",
      "Leave it out of --base-url, and name the variable of the key: --api-key-env NAME_API_KEY",
    );
  return own;
}

/** Numbers, yes or no, and objects are written as JSON; everything else is text. @throws {UsageError} */
function namedValue(setting: string): [name: string, value: unknown] {
  const [, name, value] = /^(\w+)=([^]*)$/.exec(setting) ?? [];
  if (name === undefined || value === undefined)
    throw new UsageError("--setting takes a name and a value.", "Such as: --setting timeout_ms=60000");
  try {
    return [name, JSON.parse(value)];
  } catch {
    return [name, value];
  }
}
