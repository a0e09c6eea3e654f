import { z } from "zod";
import { SetupError } from "../errors.ts";
import { ownBaseUrl } from "./backend-definition.ts";
import type { TokenSource } from "./expiring-token.ts";

/** What a source may set to be embedded by a server of its own that wants a key. */
export const ownServer = {
  ...ownBaseUrl,
  /** The environment's variable that holds the key. A role that may write sources must not learn any other of its values. */
  api_key_env: z
    .string()
    .regex(/^[A-Z][A-Z0-9_]*_API_KEY$/, "expected a name that ends with _API_KEY")
    .optional(),
};

type OwnServer = Readonly<z.infer<z.ZodObject<typeof ownServer>>>;

/** Whether a source is embedded by the environment's server, which alone gets the environment's secrets. */
export function isSameServer({ base_url }: OwnServer, baseUrl: string): boolean {
  return base_url === undefined || new URL(base_url).origin === new URL(baseUrl).origin;
}

/** How messages name the settings that a source has of its own; undefined for those of the environment. */
export interface OwnNames {
  readonly baseUrlName?: string | undefined;
  readonly modelName?: string | undefined;
}

/** The names of a source's own address and model, to be changed where the source is watched. */
export function namesFor({ base_url }: OwnServer, baseUrl: string, model: string | null): OwnNames {
  return {
    ...(base_url === undefined || base_url === baseUrl ? {} : { baseUrlName: "the source's --base-url" }),
    ...(model === null ? {} : { modelName: "the source's --model" }),
  };
}

/** The variable that has the key for questions, beside that of a key. */
export function questionKeyName(keyName: string): string {
  return keyName.replace(/_API_KEY$/, "_QUERY_API_KEY");
}

/** The key in that variable: as the configuration has it, which may have read it from a file, else as the process has it. */
export function keyNamed(name: string, config: object): string | undefined {
  const value: unknown = new Map<string, unknown>(Object.entries(config)).get(name) ?? process.env[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

export interface Key {
  readonly apiKey?: string | undefined;
  /** The variable that it is in, or would be; undefined for a server that the environment has no key for. */
  readonly keyName?: string | undefined;
}

/**
 * The key for a source: the one that it names, else the environment's where it is embedded by the environment's server.
 * @throws {SetupError} where the variable that it names is not set
 */
export function keyOf(
  source: OwnServer,
  baseUrl: string,
  environment: { readonly name: string; readonly value: string | undefined },
  config: object,
): Key {
  const { api_key_env } = source;
  if (api_key_env === undefined) {
    return isSameServer(source, baseUrl) ? { apiKey: environment.value, keyName: environment.name } : {};
  }
  const apiKey = keyNamed(api_key_env, config);
  if (apiKey === undefined) {
    throw new SetupError(
      `${api_key_env} is not set in the environment of this process.`,
      "It is the variable of a source's key (--api-key-env): set it, or name another.",
    );
  }
  return { apiKey, keyName: api_key_env };
}

/** The environment's token for a source, from the first place that is set; a source with a key or a server of its own gets none. */
export function tokenOf(
  source: OwnServer,
  baseUrl: string,
  places: readonly TokenSource[],
): { readonly token?: TokenSource } {
  const token = places.find(({ file, command }) => file !== undefined || command !== undefined);
  const isOurs = source.api_key_env === undefined && isSameServer(source, baseUrl);
  return isOurs && token !== undefined ? { token } : {};
}

/** What is said in place of a request that a service would refuse, since it answers none without a key. */
export function missingKey(url: URL, keyName: string | undefined): string {
  return keyName === undefined
    ? `No key is set for ${url.origin}: name its variable with --api-key-env. Nothing was sent.`
    : `${keyName} is not set, and ${url.origin} needs a key. Nothing was sent.`;
}
