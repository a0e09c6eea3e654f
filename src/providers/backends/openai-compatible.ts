import { z } from "zod";
import { SetupError } from "../../errors.ts";
import { httpUrl, record, text, yesNo } from "../../setting-types.ts";
import { defineBackend, ownBaseUrl } from "../backend-definition.ts";
import type { Backend, RawAnswer } from "../backend.ts";
import type { ErrorContext } from "../classify.ts";
import { JsonClient } from "../http.ts";
import { readOpenAiAnswer } from "../openai-answer.ts";
import { ProviderError } from "../provider-error.ts";
import type { OnReceived, ProviderLimits } from "../provider.ts";
import type { CommonSettings, HttpSettings } from "../provider-settings.ts";

/** OpenAI's `POST /v1/embeddings`, which many other servers speak too. */
export interface OpenAiSettings extends CommonSettings, HttpSettings {
  readonly backend: "llm_api";
  readonly model: string;
  readonly apiKey?: string | undefined;
  /** The variable that the key is from. Undefined for another server than the environment's, whose key was not named. */
  readonly keyName?: string | undefined;
  /** After the base URL; `/embeddings` by default, `/v1/embeddings` where the base URL has no path of its own. */
  readonly path?: string | undefined;
  /** Whether `dimensions` is sent. By default only to `text-embedding-3-*`, the models known to take it. */
  readonly sendDimensions?: boolean | undefined;
  /** Merged into every request's body, for what only one service asks for (`{"input_type": "document"}`). */
  readonly extraBody?: Readonly<Record<string, unknown>> | undefined;
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
  readonly shape: Readonly<Record<string, unknown>>;
  readonly #client: JsonClient;
  readonly #path: string;
  /** What is said in place of a request that OpenAI would refuse. */
  readonly #missingKey: string | undefined;
  readonly #extra: Readonly<Record<string, unknown>>;
  readonly #context: ErrorContext;
  /** Becomes false, and stays so, when a server refuses base64 and sends floats. */
  #base64 = true;
  #answeredBefore = false;

  constructor(settings: OpenAiSettings) {
    this.model = settings.model;
    this.limits = { ...LIMITS, ...settings.limits };
    const url = new URL(settings.baseUrl);
    this.#path = pathOf(url, settings.path);
    const headers = { ...authorization(url, settings.apiKey), ...settings.headers };
    this.#missingKey = missingKey(url, headers, settings.keyName);
    this.#client = new JsonClient(settings, headers);
    this.#extra = { ...dimensionsOf(settings), ...settings.extraBody };
    this.address = `${url.origin}${this.#path.split("?", 1)[0] ?? ""}`;
    this.shape = settings.extraBody ?? {};
    this.#context = {
      address: this.address,
      model: settings.model,
      settings: { address: "OPENAI_BASE_URL", key: settings.keyName, model: "OPENAI_EMBED_MODEL" },
      secrets: [settings.apiKey ?? "", ...Object.values(settings.headers ?? {})],
    };
  }

  async ask(texts: readonly string[], signal: AbortSignal, onReceived?: OnReceived): Promise<RawAnswer> {
    const answer = this.#base64
      ? await this.#askBase64(texts, signal, onReceived)
      : await this.#post(texts, {}, signal, onReceived);
    this.#answeredBefore = true;
    return answer;
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  async #askBase64(
    texts: readonly string[],
    signal: AbortSignal,
    onReceived: OnReceived | undefined,
  ): Promise<RawAnswer> {
    try {
      return await this.#post(texts, { encoding_format: "base64" }, signal, onReceived);
    } catch (error) {
      const refused = error instanceof ProviderError && (error.status === 400 || error.status === 422);
      if (!refused || this.#answeredBefore) throw error;
      const answer = await this.#post(texts, {}, signal, onReceived);
      this.#base64 = false;
      return answer;
    }
  }

  async #post(
    texts: readonly string[],
    encoding: { readonly encoding_format?: "base64" },
    signal: AbortSignal,
    onReceived: OnReceived | undefined,
  ): Promise<RawAnswer> {
    if (this.#missingKey !== undefined) throw new ProviderError("setup", this.#missingKey);
    const body = { model: this.model, input: texts, ...encoding, ...this.#extra };
    const answer = await this.#client.post(this.#path, body, texts, this.#context, signal, onReceived);
    return readOpenAiAnswer(answer, texts, this.#context);
  }
}

function pathOf(url: URL, path: string | undefined): string {
  const base = url.pathname.replace(/\/+$/, "");
  if (path === undefined && base.endsWith("/embeddings")) return base + url.search;
  const rest = path ?? (base === "" ? "/v1/embeddings" : "/embeddings");
  const joined = base + (rest.startsWith("/") ? rest : `/${rest}`);
  return url.search === "" ? joined : joined + (joined.includes("?") ? "&" : "?") + url.search.slice(1);
}

/** Azure expects its key in the header `api-key`; all others as a bearer token. */
function authorization(url: URL, apiKey: string | undefined): Record<string, string> {
  if (apiKey === undefined || apiKey === "") return {};
  const azure = /\.(openai|cognitiveservices|services\.ai)\.azure\.com$/.test(url.hostname);
  return azure ? { "api-key": apiKey } : { authorization: `Bearer ${apiKey}` };
}

/** OpenAI itself answers no request without a key. */
function missingKey(
  url: URL,
  headers: Readonly<Record<string, string>>,
  keyName: string | undefined,
): string | undefined {
  const hasKey = Object.keys(headers).some((name) => name.toLowerCase() === "authorization");
  if (hasKey || !/(^|\.)api\.openai\.com$/.test(url.hostname)) return undefined;
  return keyName === undefined
    ? `No key is set for ${url.origin}: name its variable with --api-key-env. Nothing was sent.`
    : `${keyName} is not set, and ${url.origin} needs a key. Nothing was sent.`;
}

function dimensionsOf(settings: OpenAiSettings): { dimensions?: number } {
  const send = settings.sendDimensions ?? /^text-embedding-3-/.test(settings.model);
  return send && settings.dimensions !== undefined ? { dimensions: settings.dimensions } : {};
}

const environment = {
  OPENAI_BASE_URL: httpUrl.default("https://api.openai.com/v1"),
  OPENAI_API_KEY: text.optional(),
  OPENAI_API_KEY_FILE: text.optional(),
  OPENAI_EMBED_MODEL: text.default("text-embedding-3-small"),
  OPENAI_EMBED_PATH: text.startsWith("/", "expected a path such as /embeddings").optional(),
  OPENAI_HEADERS: record.pipe(z.record(z.string(), z.string())).optional(),
  OPENAI_EXTRA_BODY: record.optional(),
  OPENAI_SEND_DIMENSIONS: yesNo.optional(),
};

const ofSource = {
  ...ownBaseUrl,
  /** The environment's variable that holds the key. A role that may write sources must not learn any other of its values. */
  api_key_env: z
    .string()
    .regex(/^[A-Z][A-Z0-9_]*_API_KEY$/, "expected a name that ends with _API_KEY")
    .optional(),
};

export const llmApi = defineBackend({
  id: "llm_api",
  alias: "openai",
  environment,
  secrets: ["OPENAI_API_KEY", "OPENAI_HEADERS"],
  ofSource,
  resolve: ({ environment, source, model, common, network }): OpenAiSettings => ({
    ...common,
    ...network,
    backend: "llm_api",
    model: model ?? environment.OPENAI_EMBED_MODEL,
    baseUrl: source.base_url ?? environment.OPENAI_BASE_URL,
    ...credentials(environment, source),
    path: environment.OPENAI_EMBED_PATH,
    extraBody: environment.OPENAI_EXTRA_BODY,
    sendDimensions: environment.OPENAI_SEND_DIMENSIONS,
  }),
  open: (settings) => new OpenAiCompatible(settings),
});

/** The environment's key and headers go to the environment's server alone: another server needs a key of its own. */
function credentials(
  { OPENAI_BASE_URL, OPENAI_API_KEY, OPENAI_HEADERS }: z.infer<z.ZodObject<typeof environment>>,
  { base_url, api_key_env }: z.infer<z.ZodObject<typeof ofSource>>,
): Pick<OpenAiSettings, "apiKey" | "keyName" | "headers"> {
  const isSameServer = base_url === undefined || new URL(base_url).origin === new URL(OPENAI_BASE_URL).origin;
  const headers = isSameServer ? OPENAI_HEADERS : undefined;
  if (api_key_env === undefined) {
    return isSameServer ? { apiKey: OPENAI_API_KEY, keyName: "OPENAI_API_KEY", headers } : { headers };
  }
  const apiKey = process.env[api_key_env];
  if (apiKey === undefined || apiKey === "") {
    throw new SetupError(
      `${api_key_env} is not set in the environment of this process.`,
      "It is the variable of a source's key (--api-key-env): set it, or name another.",
    );
  }
  return { apiKey, keyName: api_key_env, headers };
}
