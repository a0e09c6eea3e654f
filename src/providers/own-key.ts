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

/**
 * The key for a source: the one that it names, else the environment's where it is embedded by the environment's server.
 * @throws {SetupError} where the variable that it names is not set
 */
export function keyOf(
  source: OwnServer,
  baseUrl: string,
  environmentKey: string | undefined,
): string | undefined {
  const { api_key_env } = source;
  if (api_key_env === undefined) return isSameServer(source, baseUrl) ? environmentKey : undefined;
  const key = process.env[api_key_env];
  if (key === undefined || key === "") {
    throw new SetupError(
      `${api_key_env} is not set in the listener's environment.`,
      "A source's settings name it as its api_key_env: set it, or watch the table again with another name.",
    );
  }
  return key;
}
