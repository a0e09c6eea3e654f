import { z } from "zod";
import { SetupError } from "../errors.ts";
import { ownBaseUrl } from "./backend-definition.ts";

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
): Key {
  const { api_key_env } = source;
  if (api_key_env === undefined) {
    return isSameServer(source, baseUrl) ? { apiKey: environment.value, keyName: environment.name } : {};
  }
  const apiKey = process.env[api_key_env];
  if (apiKey === undefined || apiKey === "") {
    throw new SetupError(
      `${api_key_env} is not set in the environment of this process.`,
      "It is the variable of a source's key (--api-key-env): set it, or name another.",
    );
  }
  return { apiKey, keyName: api_key_env };
}

/** What is said in place of a request that a service would refuse, since it answers none without a key. */
export function missingKey(url: URL, keyName: string | undefined): string {
  return keyName === undefined
    ? `No key is set for ${url.origin}: name its variable with --api-key-env. Nothing was sent.`
    : `${keyName} is not set, and ${url.origin} needs a key. Nothing was sent.`;
}
