import type { ProviderConfig } from "./provider-config.ts";
import type { ProviderSettings } from "./known-backends.ts";
import { refuseKeyOfAnotherServer } from "./key-server.ts";
import { keyNamed, questionKeyName } from "./own-key.ts";

/**
 * The settings for the questions of searches: with the key that is for them, where there is one. Who has two keys has two
 * quotas, so that no backfill uses up what the searches need. `OPENAI_QUERY_API_KEY` is such a key, beside `OPENAI_API_KEY`.
 * @throws {SetupError} where that is the key of another server
 */
export function withQuestionKey(settings: ProviderSettings, config: ProviderConfig): ProviderSettings {
  if (!("keyName" in settings) || settings.keyName === undefined) return settings;
  const own = questionKeyBeside(settings.keyName, config);
  if (own === undefined) return settings;
  const keyed = { ...settings, apiKey: own.value, keyName: own.name };
  // Its key goes before the environment's token.
  if ("token" in keyed) delete keyed.token;
  refuseKeyOfAnotherServer(config, keyed);
  return keyed;
}

/** The key for questions that is set beside a key; undefined where none is. */
export function questionKeyBeside(
  keyName: string,
  config: ProviderConfig,
): { readonly name: string; readonly value: string } | undefined {
  const name = questionKeyName(keyName);
  const value = keyNamed(name, config);
  return value === undefined || name === keyName ? undefined : { name, value };
}
