import { z } from "zod";
import { ProviderError } from "../provider-error.ts";
import { tokenCount } from "../token-count.ts";
import { defineBackend, ownBaseUrl } from "../backend-definition.ts";
import type { Backend, RawAnswer } from "../backend.ts";
import type { RawVector } from "../raw-vector.ts";
import type { ErrorContext } from "../classify.ts";
import { JsonClient, type JsonAnswer } from "../http.ts";
import { namesFor, type OwnNames } from "../own-key.ts";
import { readVectors } from "../read-vectors.ts";
import type { OnReceived, ProviderLimits } from "../provider.ts";
import { forBoth, type Fields, type PerRole, type Role } from "../roles/role.ts";
import type { CommonSettings, HttpSettings } from "../provider-settings.ts";
import { httpUrl, record, text, yesNo } from "../../setting-types.ts";

export interface OllamaSettings extends CommonSettings, HttpSettings, OwnNames {
  readonly backend: "ollama";
  readonly model: string;
  /** How long Ollama keeps the model in memory, such as `30m`, or `-1` for ever. */
  readonly keepAlive?: string | undefined;
  /** Whether Ollama may cut a text that is too long without saying so. Off: it refuses, and we see it. */
  readonly truncate?: boolean | undefined;
  /** Model parameters, such as `{"num_ctx": 8192}`. */
  readonly options?: Readonly<Record<string, unknown>> | undefined;
  readonly sendDimensions?: boolean | undefined;
}

/** Ollama states no limit; it embeds a batch text by text, so a big batch only risks the timeout. */
const LIMITS: ProviderLimits = { inputs: 256, characters: 300_000, textCharacters: 100_000 };

/** Ollama's own API: `/api/embed` takes a batch; servers before 0.3 know only `/api/embeddings`, one text per call. */
class Ollama implements Backend {
  readonly name = "ollama";
  readonly model: string;
  readonly limits: ProviderLimits;
  readonly address: string;
  readonly hasOwnAddress: boolean;
  readonly shape: PerRole<Fields>;
  readonly #client: JsonClient;
  readonly #base: string;
  readonly #origin: string;
  readonly #settings: OllamaSettings;
  /** Becomes false, and stays so, when the server does not know the batch endpoint. */
  #batches = true;

  constructor(settings: OllamaSettings) {
    this.model = settings.model;
    this.limits = { ...LIMITS, ...settings.limits };
    this.#client = new JsonClient(settings, { ...settings.headers });
    const url = new URL(settings.baseUrl);
    this.#origin = url.origin;
    this.#base = url.pathname.replace(/\/+$/, "").replace(/\/api$/, "");
    this.#settings = settings;
    this.address = `${this.#origin}${this.#base}/api/embed`;
    this.hasOwnAddress = settings.baseUrlName !== undefined;
    // Silent cutting is off unless it is asked for.
    this.shape = forBoth({
      options: settings.options,
      truncate: settings.truncate === true ? true : undefined,
    });
  }

  /** It is told no role: a prefix is all that its models know of it. */
  async ask(
    texts: readonly string[],
    _role: Role,
    signal: AbortSignal,
    onReceived?: OnReceived,
    stopping?: AbortSignal,
  ): Promise<RawAnswer> {
    if (!this.#batches) return await this.#askOneByOne(texts, signal, stopping);
    try {
      return await this.#askBatch(texts, signal, onReceived);
    } catch (error) {
      if (!isUnknownEndpoint(error)) throw error;
      const answer = await this.#askOneByOne(texts, signal, stopping);
      this.#batches = false;
      return answer;
    }
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  async #askBatch(
    texts: readonly string[],
    signal: AbortSignal,
    onReceived: OnReceived | undefined,
  ): Promise<RawAnswer> {
    const { dimensions, sendDimensions, truncate } = this.#settings;
    const body = {
      ...this.#common(),
      input: texts,
      truncate: truncate ?? false,
      ...(sendDimensions === true && dimensions !== undefined ? { dimensions } : {}),
    };
    const answer = await this.#post("/api/embed", body, texts, signal, onReceived);
    const { embeddings, prompt_eval_count: tokens } = fields(answer);
    return readVectors(answer, embeddings, tokenCount(tokens), texts, this.#context("/api/embed"));
  }

  async #askOneByOne(
    texts: readonly string[],
    signal: AbortSignal,
    stopping: AbortSignal | undefined,
  ): Promise<RawAnswer> {
    const vectors: RawVector[] = [];
    for (const text of texts) {
      stopping?.throwIfAborted();
      const answer = await this.#post("/api/embeddings", { ...this.#common(), prompt: text }, texts, signal);
      const { embedding } = fields(answer);
      const read = readVectors(answer, [embedding], undefined, texts, this.#context("/api/embeddings"));
      vectors.push(...read.vectors);
    }
    return { vectors, tokens: undefined };
  }

  #common(): Record<string, unknown> {
    const { keepAlive, options } = this.#settings;
    return {
      model: this.model,
      ...(keepAlive === undefined ? {} : { keep_alive: keepAlive }),
      ...(options === undefined ? {} : { options }),
    };
  }

  async #post(
    path: string,
    body: unknown,
    texts: readonly string[],
    signal: AbortSignal,
    onReceived?: OnReceived,
  ): Promise<JsonAnswer> {
    return await this.#client.post(this.#base + path, body, texts, this.#context(path), signal, onReceived);
  }

  #context(path: string): ErrorContext {
    return {
      address: this.#origin + this.#base + path,
      model: this.model,
      settings: {
        address: this.#settings.baseUrlName ?? "OLLAMA_BASE_URL",
        key: this.#settings.baseUrlName ?? "OLLAMA_BASE_URL",
        model: this.#settings.modelName ?? "OLLAMA_EMBED_MODEL",
      },
      secrets: Object.values(this.#settings.headers ?? {}),
      recognise: (status, complaint) =>
        status === 404 && /model/i.test(complaint.message) ? this.#notPulled() : undefined,
    };
  }

  /** It carries no status: a 404 from here on means that the server does not know the endpoint. */
  #notPulled(): ProviderError {
    return new ProviderError(
      "setup",
      `Ollama at ${this.#origin} has no model "${this.model}". Run: ollama pull ${this.model}`,
    );
  }
}

function fields(answer: JsonAnswer): Record<string, unknown> {
  return (answer.body ?? {}) as Record<string, unknown>;
}

function isUnknownEndpoint(error: unknown): boolean {
  return error instanceof ProviderError && (error.status === 404 || error.status === 405);
}

export const ollama = defineBackend({
  id: "ollama",
  isOwnMachine: true,
  environment: {
    OLLAMA_BASE_URL: httpUrl.default("http://127.0.0.1:11434"),
    OLLAMA_EMBED_MODEL: text.default("nomic-embed-text"),
    OLLAMA_KEEP_ALIVE: text.optional(),
    OLLAMA_OPTIONS: record.optional(),
    OLLAMA_TRUNCATE: yesNo.optional(),
    OLLAMA_SEND_DIMENSIONS: yesNo.optional(),
  },
  secrets: [],
  ofSource: {
    ...ownBaseUrl,
    keep_alive: z.string().optional(),
    options: z.record(z.string(), z.unknown()).optional(),
    truncate: z.boolean().optional(),
    send_dimensions: z.boolean().optional(),
  },
  resolve: ({ environment, source, model, common, network }): OllamaSettings => ({
    ...common,
    ...network,
    backend: "ollama",
    model: model ?? environment.OLLAMA_EMBED_MODEL,
    baseUrl: source.base_url ?? environment.OLLAMA_BASE_URL,
    ...namesFor(source, environment.OLLAMA_BASE_URL, model),
    keepAlive: source.keep_alive ?? environment.OLLAMA_KEEP_ALIVE,
    options: source.options ?? environment.OLLAMA_OPTIONS,
    truncate: source.truncate ?? environment.OLLAMA_TRUNCATE,
    sendDimensions: source.send_dimensions ?? environment.OLLAMA_SEND_DIMENSIONS,
  }),
  open: (settings) => new Ollama(settings),
});
