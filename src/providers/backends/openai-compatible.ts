import { ProviderError } from "../provider-error.ts";
import type { Backend, RawAnswer, RawVector } from "../backend.ts";
import { classifyAnswer, complaintOf, type ErrorContext } from "../classify.ts";
import { JsonClient, type JsonAnswer } from "../http.ts";
import type { OnReceived, ProviderLimits } from "../provider.ts";
import type { OpenAiSettings } from "../provider-settings.ts";

/**
 * OpenAI allows 2,048 inputs and 300,000 tokens a request, and 8,192 tokens a text. Characters stand for tokens one
 * to one in a request, which no script exceeds by much; one text is left to the server, which knows its tokens.
 */
const LIMITS: ProviderLimits = { inputs: 2048, characters: 300_000, textCharacters: 100_000 };

/** `POST /v1/embeddings` as OpenAI defined it and many others took it over. */
export class OpenAiCompatible implements Backend {
  readonly name = "llm_api";
  readonly model: string;
  readonly limits: ProviderLimits;
  readonly #client: JsonClient;
  readonly #path: string;
  readonly #extra: Readonly<Record<string, unknown>>;
  readonly #context: ErrorContext;
  /** Turns false for good when a server refuses base64 and takes floats. */
  #base64 = true;
  #answeredBefore = false;

  constructor(settings: OpenAiSettings) {
    this.model = settings.model;
    this.limits = { ...LIMITS, ...settings.limits };
    const url = new URL(settings.baseUrl);
    this.#path = pathOf(url, settings.path);
    const headers = { ...authorization(url, settings.apiKey), ...settings.headers };
    this.#client = new JsonClient(settings, headers);
    this.#extra = { ...dimensionsOf(settings), ...settings.extraBody };
    this.#context = {
      address: `${url.origin}${this.#path.split("?", 1)[0] ?? ""}`,
      model: settings.model,
      settings: { address: "OPENAI_BASE_URL", key: "OPENAI_API_KEY", model: "OPENAI_EMBED_MODEL" },
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
    const body = { model: this.model, input: texts, ...encoding, ...this.#extra };
    const answer = await this.#client.post(this.#path, body, texts, this.#context, signal, onReceived);
    return read(answer, texts, this.#context);
  }
}

interface Item {
  readonly index?: unknown;
  readonly embedding?: unknown;
}

function read(answer: JsonAnswer, texts: readonly string[], context: ErrorContext): RawAnswer {
  const body = answer.body as { data?: unknown; error?: unknown; usage?: unknown } | null;
  if (!Array.isArray(body?.data)) {
    // Some gateways answer 200 and put the true status into the body.
    const inner = (body?.error as { code?: unknown } | null | undefined)?.code;
    const status = typeof inner === "number" && inner >= 400 && inner < 600 ? inner : 200;
    throw classifyAnswer(status, answer.headers, complaintOf(body), texts, context);
  }
  return {
    vectors: inOrder(body.data as readonly (Item | null)[], texts.length, context),
    tokens: tokensOf(body.usage),
  };
}

/** Puts the vectors where their `index` says: servers that work in parallel do not answer in order. */
function inOrder(items: readonly (Item | null)[], count: number, context: ErrorContext): RawVector[] {
  const vectors: RawVector[] = [];
  let placed = 0;
  for (const item of items) {
    const index = item?.index;
    if (typeof index !== "number" || !Number.isInteger(index) || index < 0 || index >= count) {
      throw unwell(context, `a vector whose index is ${describe(index)} among ${count} texts`);
    }
    if (vectors[index] !== undefined) throw unwell(context, `two vectors with the index ${index}`);
    const vector = item?.embedding;
    if (typeof vector !== "string" && !Array.isArray(vector)) {
      throw unwell(context, `no vector at index ${index}`);
    }
    vectors[index] = vector;
    placed++;
  }
  if (placed !== count) throw unwell(context, `${placed} vectors for ${count} texts`);
  return vectors;
}

function unwell(context: ErrorContext, what: string): ProviderError {
  return new ProviderError(
    "unwell",
    `${context.address} gave ${what}. Nothing of it was stored; tried again later.`,
  );
}

function describe(index: unknown): string {
  return typeof index === "number" ? String(index) : "missing";
}

function tokensOf(usage: unknown): number {
  const { total_tokens: total, prompt_tokens: prompt } = (usage ?? {}) as Record<string, unknown>;
  if (typeof total === "number") return total;
  return typeof prompt === "number" ? prompt : 0;
}

function pathOf(url: URL, path: string | undefined): string {
  const base = url.pathname.replace(/\/+$/, "");
  if (path === undefined && base.endsWith("/embeddings")) return base + url.search;
  const rest = path ?? (base === "" ? "/v1/embeddings" : "/embeddings");
  const joined = base + (rest.startsWith("/") ? rest : `/${rest}`);
  return url.search === "" ? joined : joined + (joined.includes("?") ? "&" : "?") + url.search.slice(1);
}

/** Azure takes its key in a header of its own; all others as a bearer token. */
function authorization(url: URL, apiKey: string | undefined): Record<string, string> {
  if (apiKey === undefined || apiKey === "") return {};
  const azure = /\.(openai|cognitiveservices|services\.ai)\.azure\.com$/.test(url.hostname);
  return azure ? { "api-key": apiKey } : { authorization: `Bearer ${apiKey}` };
}

function dimensionsOf(settings: OpenAiSettings): { dimensions?: number } {
  const send = settings.sendDimensions ?? /^text-embedding-3-/.test(settings.model);
  return send && settings.dimensions !== undefined ? { dimensions: settings.dimensions } : {};
}
