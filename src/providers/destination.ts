import type { ProviderConfig } from "./provider-config.ts";
import type { ProviderSettings } from "./known-backends.ts";
import { describeProvider } from "./describe-provider.ts";
import { resolveProviderSettings, type ProviderOverrides } from "./resolve-provider-settings.ts";
import { questionKeyBeside } from "./question-key.ts";
import { placeholdersOf } from "./rest/placeholders.ts";
import type { PerRole } from "./roles/role.ts";
import { sentBy, type Sent } from "./roles/sent.ts";

/** Where the texts of a source go, and what goes with them. Names of variables and fields, never their values. */
export interface Destination {
  readonly backend: string;
  readonly model: string;
  /** Origin and path; null where texts do not leave the process. */
  readonly address: string | null;
  /** The variables that hold the key, the token or what else a request is authorized by. */
  readonly keys: readonly string[];
  /** Names of further headers. */
  readonly headers: readonly string[];
  /** Names of the fields that are sent with texts and with questions, in addition to those of every request. */
  readonly fields: PerRole<readonly string[]>;
  readonly sent: Sent;
}

/**
 * By the settings of this process. It needs no key, and asks nobody.
 * @throws {SetupError} where the settings have a fault
 */
export async function destinationOf(config: ProviderConfig, source: ProviderOverrides): Promise<Destination> {
  const { api_key_env: ownKey, ...settings } = source.settings;
  const keyless = { ...source, settings };
  const resolved = resolveProviderSettings(config, keyless);
  const keys = typeof ownKey === "string" ? [ownKey] : keysIn(resolved);
  const keyName = typeof ownKey === "string" ? ownKey : "keyName" in resolved ? resolved.keyName : undefined;
  const questionKey = keyName === undefined ? undefined : questionKeyBeside(keyName, config);
  const { name, model, address, shape, prefixes, roleFields } = await describeProvider(config, keyless);
  const namesOf = (fields: object = {}): string[] =>
    Object.entries(fields).flatMap(([field, value]) =>
      value === undefined || /[^\w.-]/.test(field) ? [] : [field],
    );
  return {
    backend: name,
    model,
    address: address ?? null,
    keys: [...keys, ...(questionKey === undefined ? [] : [questionKey.name])],
    headers: "headers" in resolved ? namesOf(resolved.headers) : [],
    fields: { document: namesOf(shape.document), query: namesOf(shape.query) },
    sent: sentBy({ prefixes, ...(roleFields === undefined ? {} : { roleFields }) }),
  };
}

function keysIn(settings: ProviderSettings): string[] {
  if ("template" in settings) {
    const { url, headers, body } = settings.template;
    const variables = placeholdersOf([url, headers, body]).filter((name) => name.startsWith("env:"));
    return [...new Set(variables.map((name) => name.slice("env:".length)))];
  }
  if ("token" in settings && settings.token !== undefined) return [settings.token.name];
  return "keyName" in settings && settings.keyName !== undefined ? [settings.keyName] : [];
}
