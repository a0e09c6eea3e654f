import { SetupError } from "../errors.ts";
import { BACKEND_SECRETS, type ProviderSettings } from "./known-backends.ts";
import { isSameServer, keyNamed } from "./own-key.ts";
import type { ProviderConfig } from "./provider-config.ts";
import { RERANK_SECRETS, rerankSettings } from "./rerank/rerank-settings.ts";

/**
 * Each key that is a setting is for one server, by whichever name and beside whichever backend a source has it: who may
 * write sources must not have it sent to a server of their own. What only the template of a request names is no setting.
 * @throws {SetupError} where it would be sent to another server
 */
export function refuseKeyOfAnotherServer(config: ProviderConfig, settings: ProviderSettings): void {
  if (!("keyName" in settings) || settings.keyName === undefined) return;
  const { keyName, apiKey, baseUrl } = settings;
  const ours = [...BACKEND_SECRETS, ...RERANK_SECRETS].filter(
    (name) => name === keyName || (apiKey !== undefined && keyNamed(name, config) === apiKey),
  );
  const servers = ours.map((name) => serverOf(config, name));
  // No source can name a key whose name has another form: it is the environment's, at its own server.
  const isOwn = ours.includes(keyName) && !keyName.endsWith("_API_KEY");
  const isTheirs = servers.some(
    (server) => server !== undefined && isSameServer({ base_url: baseUrl }, server),
  );
  if (ours.length > 0 && !isOwn && !isTheirs) throw keyOfAnotherServer(keyName, servers[0]);
}

/** The server that a key of the settings is for; undefined where no setting says. */
function serverOf(config: ProviderConfig, secret: string): string | undefined {
  if (RERANK_SECRETS.includes(secret)) return rerankSettings(config)?.baseUrl ?? config.RERANK_BASE_URL;
  const [, service] = /^(.*?)(?:_QUERY)?_API_KEY$/.exec(secret) ?? [];
  const server: unknown = new Map<string, unknown>(Object.entries(config)).get(`${service}_BASE_URL`);
  return typeof server === "string" ? server : undefined;
}

function keyOfAnotherServer(keyName: string, server: string | undefined): SetupError {
  const owner =
    server === undefined ? "a key of the environment's own" : `the key of ${new URL(server).origin}`;
  return new SetupError(
    `${keyName} is ${owner}, and is not sent to another server.`,
    "Set a variable with a key of that server's own, and name it with --api-key-env.",
  );
}
