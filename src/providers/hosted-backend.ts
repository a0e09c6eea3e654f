import type { Backend, RawAnswer } from "./backend.ts";
import type { BatchApi, BatchOffer } from "./batch/batch-api.ts";
import type { ErrorContext } from "./classify.ts";
import { ExpiringToken, type TokenSource } from "./expiring-token.ts";
import { JsonClient, type JsonAnswer } from "./http.ts";
import { missingKey, type Key, type OwnNames } from "./own-key.ts";
import { ProviderError } from "./provider-error.ts";
import type { OnReceived, ProviderLimits } from "./provider.ts";
import type { CommonSettings, HttpSettings } from "./provider-settings.ts";
import type { Fields, PerRole, Role } from "./roles/role.ts";

export interface HostedSettings extends CommonSettings, HttpSettings, Key, OwnNames {
  readonly model: string;
  /** In place of a key, where the service wants a token that expires. */
  readonly token?: TokenSource | undefined;
}

/** What is particular to one hosted service with a request of its own. */
export interface Dialect {
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
  /** Its batch API; left out where it has none. @param root the path of the base URL */
  readonly batches?: {
    readonly offer: BatchOffer;
    readonly open: (
      headers: Readonly<Record<string, string>>,
      context: ErrorContext,
      root: string,
    ) => BatchApi;
  };
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
  readonly #token: ExpiringToken | undefined;
  readonly #apiKey: string;
  readonly batches?: () => BatchApi;
  readonly batchOffer?: BatchOffer;

  constructor(settings: HostedSettings, dialect: Dialect) {
    const { model, apiKey = "", keyName, token } = settings;
    const url = new URL(settings.baseUrl);
    this.name = dialect.name;
    this.model = model;
    this.limits = { ...dialect.limits, ...settings.limits };
    this.#dialect = dialect;
    this.#path = url.pathname.replace(/\/+$/, "") + dialect.path;
    this.address = url.origin + this.#path;
    this.shape = dialect.roleFields ?? { document: {}, query: {} };
    if (dialect.roleFields !== undefined) this.roleFields = dialect.roleFields;
    this.#apiKey = apiKey;
    this.#token = token === undefined ? undefined : new ExpiringToken(token);
    const hasKey = apiKey !== "" || token !== undefined;
    this.#missingKey = !hasKey && dialect.host.test(url.hostname) ? missingKey(url, keyName) : undefined;
    this.#client = new JsonClient(settings, { ...settings.headers });
    this.#context = {
      address: this.address,
      model,
      settings: {
        address: settings.baseUrlName ?? dialect.settings.address,
        model: settings.modelName ?? dialect.settings.model,
        key: token?.name ?? keyName,
      },
      secrets: Object.values(settings.headers ?? {}),
    };
    const { batches } = dialect;
    if (batches !== undefined) {
      this.batchOffer = { ...batches.offer, isCertain: dialect.host.test(url.hostname) };
      this.batches = () => this.#openBatches(batches.open, settings);
    }
  }

  async ask(
    texts: readonly string[],
    role: Role,
    signal: AbortSignal,
    onReceived?: OnReceived,
    stopping?: AbortSignal,
  ): Promise<RawAnswer> {
    if (this.#missingKey !== undefined) throw new ProviderError("setup", this.#missingKey);
    const send = (key: string): Promise<RawAnswer> => this.#send(key, texts, role, signal, onReceived);
    return this.#token === undefined ? await send(this.#apiKey) : await this.#token.send(send, stopping);
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  #openBatches(
    open: NonNullable<Dialect["batches"]>["open"],
    { baseUrl, headers }: HostedSettings,
  ): BatchApi {
    if (this.#missingKey !== undefined) throw new ProviderError("setup", this.#missingKey);
    const key = this.#apiKey;
    const context = { ...this.#context, secrets: [...this.#context.secrets, key] };
    const authorization = key === "" ? {} : this.#dialect.authorization(key);
    return open({ ...headers, ...authorization }, context, new URL(baseUrl).pathname.replace(/\/+$/, ""));
  }

  async #send(
    key: string,
    texts: readonly string[],
    role: Role,
    signal: AbortSignal,
    onReceived: OnReceived | undefined,
  ): Promise<RawAnswer> {
    const context = { ...this.#context, secrets: [...this.#context.secrets, key] };
    const answer = await this.#client.post(
      this.#path,
      this.#dialect.body(texts, role),
      texts,
      context,
      signal,
      onReceived,
      key === "" ? {} : this.#dialect.authorization(key),
    );
    return this.#dialect.read(answer, texts, context);
  }
}

/** `Authorization: Bearer KEY` */
export function bearer(key: string): Readonly<Record<string, string>> {
  return { authorization: `Bearer ${key}` };
}
