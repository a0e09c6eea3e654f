import type { Backend, RawAnswer } from "./backend.ts";
import type { ErrorContext } from "./classify.ts";
import { JsonClient, type JsonAnswer } from "./http.ts";
import { missingKey, type Key } from "./own-key.ts";
import { ProviderError } from "./provider-error.ts";
import type { OnReceived, ProviderLimits } from "./provider.ts";
import type { CommonSettings, HttpSettings } from "./provider-settings.ts";
import type { Fields, PerRole, Role } from "./roles/role.ts";

export interface HostedSettings extends CommonSettings, HttpSettings, Key {
  readonly model: string;
}

/** What is particular to one hosted service with a request of its own. */
interface Dialect {
  /** As the ledger and `--backend` call it. */
  readonly name: string;
  /** After the base URL. */
  readonly path: string;
  /** The header with the key. */
  readonly authorization: (key: string) => Readonly<Record<string, string>>;
  readonly limits: ProviderLimits;
  /** The service's own hosts, which answer nothing without a key. */
  readonly host: RegExp;
  /** Names of the settings that a user would change. */
  readonly settings: Omit<ErrorContext["settings"], "key">;
  /** The fields by which it knows the role of the texts; undefined where the model wants prefixes. */
  readonly roleFields?: PerRole<Fields> | undefined;
  readonly body: (texts: readonly string[], role: Role) => Fields;
  /** @throws {ProviderError} for an answer without vectors */
  readonly read: (answer: JsonAnswer, texts: readonly string[], context: ErrorContext) => RawAnswer;
}

/** A hosted service that is asked by one kind of JSON request. */
export class HostedBackend implements Backend {
  readonly name: string;
  readonly model: string;
  readonly limits: ProviderLimits;
  readonly address: string;
  readonly shape: PerRole<Fields>;
  readonly roleFields?: PerRole<Fields>;
  readonly #dialect: Dialect;
  readonly #client: JsonClient;
  readonly #path: string;
  readonly #context: ErrorContext;
  /** What is said in place of a request that the service would refuse. */
  readonly #missingKey: string | undefined;

  constructor(settings: HostedSettings, dialect: Dialect) {
    const { model, apiKey = "", keyName } = settings;
    const url = new URL(settings.baseUrl);
    this.name = dialect.name;
    this.model = model;
    this.limits = { ...dialect.limits, ...settings.limits };
    this.#dialect = dialect;
    this.#path = url.pathname.replace(/\/+$/, "") + dialect.path;
    this.address = url.origin + this.#path;
    this.shape = dialect.roleFields ?? { document: {}, query: {} };
    if (dialect.roleFields !== undefined) this.roleFields = dialect.roleFields;
    this.#missingKey =
      apiKey === "" && dialect.host.test(url.hostname) ? missingKey(url, keyName) : undefined;
    this.#client = new JsonClient(settings, {
      ...(apiKey === "" ? {} : dialect.authorization(apiKey)),
      ...settings.headers,
    });
    this.#context = {
      address: this.address,
      model,
      settings: { ...dialect.settings, key: keyName },
      secrets: [apiKey, ...Object.values(settings.headers ?? {})],
    };
  }

  async ask(
    texts: readonly string[],
    role: Role,
    signal: AbortSignal,
    onReceived?: OnReceived,
  ): Promise<RawAnswer> {
    if (this.#missingKey !== undefined) throw new ProviderError("setup", this.#missingKey);
    const body = this.#dialect.body(texts, role);
    const answer = await this.#client.post(this.#path, body, texts, this.#context, signal, onReceived);
    return this.#dialect.read(answer, texts, this.#context);
  }

  async close(): Promise<void> {
    await this.#client.close();
  }
}

/** `Authorization: Bearer KEY` */
export function bearer(key: string): Readonly<Record<string, string>> {
  return { authorization: `Bearer ${key}` };
}
