import { z } from "zod";
import { httpUrl, record, text, yesNo } from "../../setting-types.ts";
import { defineBackend } from "../backend-definition.ts";
import type { Backend, RawAnswer } from "../backend.ts";
import type { ErrorContext } from "../classify.ts";
import { decidingParameters } from "../deciding-parameters.ts";
import { JsonClient } from "../http.ts";
import { readOpenAiAnswer } from "../openai-answer.ts";
import { ExpiringToken, type TokenSource } from "../expiring-token.ts";
import { bearer } from "../hosted-backend.ts";
import {
  isSameServer,
  keyOf,
  missingKey,
  namesFor,
  ownServer,
  tokenOf,
  type Key,
  type OwnNames,
} from "../own-key.ts";
import { ProviderError } from "../provider-error.ts";
import type { OnReceived, ProviderLimits } from "../provider.ts";
import type { BatchApi, BatchOffer } from "../batch/batch-api.ts";
import { mistralDialect, openAiDialect, voyageDialect } from "../batch/dialects.ts";
import { OpenAiBatches, type BatchDialect } from "../batch/openai-batches.ts";
import { bodiesByRole } from "../roles/bodies-by-role.ts";
import type { Fields, PerRole, Role } from "../roles/role.ts";
import { uncutFields } from "../uncut-fields.ts";
import type { CommonSettings, HttpSettings } from "../provider-settings.ts";

/** OpenAI's `POST /v1/embeddings`, which many other servers speak too. */
export interface OpenAiSettings extends CommonSettings, HttpSettings, Key, OwnNames {
  readonly backend: "llm_api";
  /** In place of a key, where the service wants a token that expires, as Azure does with Entra ID. */
  readonly token?: TokenSource | undefined;
  readonly model: string;
  /** After the base URL; `/embeddings` by default, `/v1/embeddings` where the base URL has no path of its own. */
  readonly path?: string | undefined;
  /** Whether `dimensions` is sent. By default only to `text-embedding-3-*`, the models known to take it. */
  readonly sendDimensions?: boolean | undefined;
  /** Merged into every request's body, for what only one service asks for (`{"user": "clinic-7"}`). */
  readonly extraBody?: Fields | undefined;
  /** Merged over it for texts in one role. */
  readonly roleBodies?: Partial<Readonly<Record<Role, Fields | undefined>>>;
}

/**
 * OpenAI allows 2,048 inputs and 300,000 tokens per request, and 8,192 tokens per text. In a request, one character
 * counts as one token, which no script exceeds by much; the length of one text is left to the server, which counts its
 * tokens.
 */
const LIMITS: ProviderLimits = { inputs: 2048, characters: 300_000, textCharacters: 100_000 };

/** `POST /v1/embeddings` as OpenAI defined it and many other servers understand it. */
class OpenAiCompatible implements Backend {
  readonly name = "llm_api";
  readonly model: string;
  readonly limits: ProviderLimits;
  readonly address: string;
  readonly parameters: Fields;
  readonly hasOwnAddress: boolean;
  readonly shape: PerRole<Fields>;
  readonly roleFields?: PerRole<Fields>;
  readonly addsFields: boolean;
  readonly #client: JsonClient;
  readonly #path: string;
  readonly #dimensions: { readonly dimensions?: number };
  /** Not part of the shape: a text that is not refused has the same vector. */
  readonly #uncut: Fields;
  /** What is said in place of a request that OpenAI would refuse. */
  readonly #missingKey: string | undefined;
  readonly #context: ErrorContext;
  readonly #token: ExpiringToken | undefined;
  readonly batches?: () => BatchApi;
  readonly batchOffer?: BatchOffer;
  /** Becomes false, and stays so, when a server refuses base64 and sends floats. */
  #base64 = true;
  #answeredBefore = false;

  constructor(settings: OpenAiSettings) {
    this.model = settings.model;
    this.limits = { ...LIMITS, ...settings.limits };
    const url = new URL(settings.baseUrl);
    this.#path = pathOf(url, settings.path);
    const key = settings.token === undefined ? settings.apiKey : undefined;
    const headers = { ...authorization(url, key), ...settings.headers };
    this.#token = settings.token === undefined ? undefined : new ExpiringToken(settings.token);
    this.#missingKey =
      this.#token === undefined && needsKey(url, headers) ? missingKey(url, settings.keyName) : undefined;
    this.#client = new JsonClient(settings, headers);
    this.#dimensions = dimensionsOf(settings);
    this.#uncut = uncutFields(settings.baseUrl);
    this.address = `${url.origin}${this.#path.split("?", 1)[0] ?? ""}`;
    this.parameters = decidingParameters(new URL(url.origin + this.#path));
    this.hasOwnAddress = settings.baseUrlName !== undefined;
    const { shape, roleFields, addsFields } = bodiesByRole(settings);
    this.shape = shape;
    this.addsFields = addsFields;
    if (roleFields !== undefined) this.roleFields = roleFields;
    this.#context = {
      address: this.address,
      model: settings.model,
      settings: {
        address: settings.baseUrlName ?? "OPENAI_BASE_URL",
        key: settings.token?.name ?? settings.keyName,
        model: settings.modelName ?? "OPENAI_EMBED_MODEL",
      },
      secrets: [settings.apiKey ?? "", ...Object.values(settings.headers ?? {})],
    };
    const root = batchRoot(this.#path);
    // A batch lives longer than a token.
    if (root !== undefined && this.#token === undefined) {
      const body = { model: this.model, ...this.#dimensions, ...this.#uncut, ...this.shape.document };
      const dialect = dialectOf(url, body);
      this.batchOffer = dialect;
      this.batches = () => {
        if (this.#missingKey !== undefined) throw new ProviderError("setup", this.#missingKey);
        return new OpenAiBatches(settings, headers, this.#context, root, dialect);
      };
    }
  }

  async ask(
    texts: readonly string[],
    role: Role,
    signal: AbortSignal,
    onReceived?: OnReceived,
    stopping?: AbortSignal,
  ): Promise<RawAnswer> {
    const post: Post = (encoding) => this.#post(texts, role, encoding, signal, onReceived, stopping);
    const answer = this.#base64 ? await this.#askBase64(post, stopping) : await post({});
    this.#answeredBefore = true;
    return answer;
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  async #askBase64(post: Post, stopping: AbortSignal | undefined): Promise<RawAnswer> {
    try {
      return await post({ encoding_format: "base64" });
    } catch (error) {
      if (this.#answeredBefore || !mayRefuseBase64(error) || stopping?.aborted === true) throw error;
      const answer = await post({});
      this.#base64 = false;
      return answer;
    }
  }

  async #post(
    texts: readonly string[],
    role: Role,
    encoding: Encoding,
    signal: AbortSignal,
    onReceived: OnReceived | undefined,
    stopping: AbortSignal | undefined,
  ): Promise<RawAnswer> {
    if (this.#missingKey !== undefined) throw new ProviderError("setup", this.#missingKey);
    const body = {
      model: this.model,
      input: texts,
      ...encoding,
      ...this.#dimensions,
      ...this.#uncut,
      ...this.shape[role],
    };
    const send = async (token?: string): Promise<RawAnswer> => {
      const secrets = token === undefined ? [] : [token];
      const context = { ...this.#context, secrets: [...this.#context.secrets, ...secrets] };
      const headers = token === undefined ? {} : bearer(token);
      const answer = await this.#client.post(this.#path, body, texts, context, signal, onReceived, headers);
      return readOpenAiAnswer(answer, texts, context);
    };
    return this.#token === undefined ? await send() : await this.#token.send(send, stopping);
  }
}

interface Encoding {
  readonly encoding_format?: "base64";
}

type Post = (encoding: Encoding) => Promise<RawAnswer>;

/** Servers that know no base64 refuse the request, break down at it, or answer 200 with an error or without vectors. */
function mayRefuseBase64(error: unknown): boolean {
  const statuses = [200, 400, 404, 415, 422, 500, 501];
  return error instanceof ProviderError && error.kind !== "throttled" && statuses.includes(error.status ?? 0);
}

function pathOf(url: URL, path: string | undefined): string {
  const base = url.pathname.replace(/\/+$/, "");
  if (path === undefined && base.endsWith("/embeddings")) return base + url.search;
  const rest = path ?? (base === "" ? "/v1/embeddings" : "/embeddings");
  const joined = base + (rest.startsWith("/") ? rest : `/${rest}`);
  return url.search === "" ? joined : joined + (joined.includes("?") ? "&" : "?") + url.search.slice(1);
}

/** The path before `/files`; undefined where embeddings have a path of their own, as Azure's deployments have. */
function batchRoot(path: string): string | undefined {
  return /^(?!.*\/deployments\/)(.*)\/embeddings$/.exec(path)?.[1];
}

/** Services that are spoken to as OpenAI is, and have batches of another shape. */
function dialectOf({ hostname }: URL, body: Fields): BatchDialect {
  if (hostname === "api.mistral.ai") return mistralDialect(body);
  if (/^(api\.voyageai|ai\.mongodb)\.com$/.test(hostname)) return voyageDialect(body);
  return openAiDialect({ ...body, encoding_format: "base64" }, /(^|\.)api\.openai\.com$/.test(hostname));
}

/** Azure expects its key in the header `api-key`; all others as a bearer token. */
function authorization(url: URL, apiKey: string | undefined): Record<string, string> {
  if (apiKey === undefined || apiKey === "") return {};
  const azure = /\.(openai|cognitiveservices|services\.ai)\.azure\.com$/.test(url.hostname);
  return azure ? { "api-key": apiKey } : { authorization: `Bearer ${apiKey}` };
}

/** OpenAI itself answers no request without a key. */
function needsKey(url: URL, headers: Readonly<Record<string, string>>): boolean {
  const hasKey = Object.keys(headers).some((name) => name.toLowerCase() === "authorization");
  return !hasKey && /(^|\.)api\.openai\.com$/.test(url.hostname);
}

function dimensionsOf(settings: OpenAiSettings): { dimensions?: number } {
  const send = settings.sendDimensions ?? /^text-embedding-3-/.test(settings.model);
  return send && settings.dimensions !== undefined ? { dimensions: settings.dimensions } : {};
}

const environment = {
  OPENAI_BASE_URL: httpUrl.default("https://api.openai.com/v1"),
  OPENAI_API_KEY: text.optional(),
  OPENAI_API_KEY_FILE: text.optional(),
  OPENAI_QUERY_API_KEY: text.optional(),
  OPENAI_QUERY_API_KEY_FILE: text.optional(),
  OPENAI_ACCESS_TOKEN_FILE: text.optional(),
  OPENAI_ACCESS_TOKEN_COMMAND: text.optional(),
  OPENAI_EMBED_MODEL: text.default("text-embedding-3-small"),
  OPENAI_EMBED_PATH: text.startsWith("/", "expected a path such as /embeddings").optional(),
  OPENAI_HEADERS: record.pipe(z.record(z.string(), z.string())).optional(),
  OPENAI_EXTRA_BODY: record.optional(),
  OPENAI_DOCUMENT_EXTRA_BODY: record.optional(),
  OPENAI_QUERY_EXTRA_BODY: record.optional(),
  OPENAI_SEND_DIMENSIONS: yesNo.optional(),
};

type Environment = z.infer<z.ZodObject<typeof environment>>;

const fields = z.record(z.string(), z.unknown());

const ofSource = {
  ...ownServer,
  path: z.string().startsWith("/").optional(),
  extra_body: fields.optional(),
  document_extra_body: fields.optional(),
  query_extra_body: fields.optional(),
  send_dimensions: z.boolean().optional(),
};

/** The environment's are about its own model. */
function roleBodies(
  source: z.infer<z.ZodObject<typeof ofSource>>,
  model: string | null,
  environment: Environment,
): NonNullable<OpenAiSettings["roleBodies"]> {
  const isEnvironments =
    isSameServer(source, environment.OPENAI_BASE_URL) &&
    (model ?? environment.OPENAI_EMBED_MODEL) === environment.OPENAI_EMBED_MODEL;
  return {
    document:
      source.document_extra_body ?? (isEnvironments ? environment.OPENAI_DOCUMENT_EXTRA_BODY : undefined),
    query: source.query_extra_body ?? (isEnvironments ? environment.OPENAI_QUERY_EXTRA_BODY : undefined),
  };
}

export const llmApi = defineBackend({
  id: "llm_api",
  alias: "openai",
  environment,
  secrets: ["OPENAI_API_KEY", "OPENAI_QUERY_API_KEY", "OPENAI_HEADERS"],
  ofSource,
  resolve: ({ environment, source, model, common, network }): OpenAiSettings => ({
    ...common,
    ...network,
    backend: "llm_api",
    model: model ?? environment.OPENAI_EMBED_MODEL,
    baseUrl: source.base_url ?? environment.OPENAI_BASE_URL,
    ...keyOf(
      source,
      environment.OPENAI_BASE_URL,
      { name: "OPENAI_API_KEY", value: environment.OPENAI_API_KEY },
      environment,
    ),
    ...tokenOf(source, environment.OPENAI_BASE_URL, [
      { name: "OPENAI_ACCESS_TOKEN_COMMAND", command: environment.OPENAI_ACCESS_TOKEN_COMMAND },
      { name: "OPENAI_ACCESS_TOKEN_FILE", file: environment.OPENAI_ACCESS_TOKEN_FILE },
    ]),
    ...namesFor(source, environment.OPENAI_BASE_URL, model),
    headers: isSameServer(source, environment.OPENAI_BASE_URL) ? environment.OPENAI_HEADERS : undefined,
    path: source.path ?? environment.OPENAI_EMBED_PATH,
    extraBody: source.extra_body ?? environment.OPENAI_EXTRA_BODY,
    roleBodies: roleBodies(source, model, environment),
    sendDimensions: source.send_dimensions ?? environment.OPENAI_SEND_DIMENSIONS,
  }),
  open: (settings) => new OpenAiCompatible(settings),
});
