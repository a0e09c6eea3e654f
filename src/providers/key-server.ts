import { BACKEND_SECRETS, type ProviderSettings } from "./known-backends.ts";
import { isSameServer, keyOfAnotherServer } from "./own-key.ts";
import type { ProviderConfig } from "./provider-config.ts";
import { RERANK_SECRETS, rerankSettings } from "./rerank/rerank-settings.ts";

/**
 * Each key of the environment is for one server, whichever backend a source names beside it.
 * @throws {SetupError} where a source would have it sent to another one
 */
export function refuseKeyOfAnotherServer(config: ProviderConfig, settings: ProviderSettings): void {
  if (!("keyName" in settings) || settings.keyName === undefined) return;
  const { keyName, baseUrl } = settings;
  const server = serverOf(config, keyName);
  if (server !== undefined && !isSameServer({ base_url: baseUrl }, server))
    throw keyOfAnotherServer(keyName, server);
}

/** The server that the environment has a key for; undefined for a variable that only sources name, and for what none can name. */
function serverOf(config: ProviderConfig, keyName: string): string | undefined {
  if (RERANK_SECRETS.includes(keyName)) return rerankSettings(config)?.baseUrl;
  const [, service] = /^(.*?)(?:_QUERY)?_API_KEY$/.exec(keyName) ?? [];
  if (service === undefined || !BACKEND_SECRETS.includes(keyName)) return undefined;
  const server: unknown = new Map<string, unknown>(Object.entries(config)).get(`${service}_BASE_URL`);
  return typeof server === "string" ? server : undefined;
}
