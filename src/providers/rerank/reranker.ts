import { classifyAnswer, type ErrorContext } from "../classify.ts";
import { complaintOf } from "../complaint.ts";
import { cutText } from "../cut-text.ts";
import { Deadline } from "../../timing/deadline.ts";
import { bearer } from "../hosted-backend.ts";
import { JsonClient } from "../http.ts";
import { missingKey } from "../own-key.ts";
import { ProviderError, type ProviderErrorKind } from "../provider-error.ts";
import { at } from "../read-vectors.ts";
import { estimateTokens, tokenCount } from "../token-count.ts";
import { readScores } from "./read-scores.ts";
import { RerankCircuit } from "./rerank-circuit.ts";
import { RerankError, type RerankFailure } from "./rerank-error.ts";
import { rerankAddress } from "./rerank-destination.ts";
import { rerankSettings, type RerankConfig, type RerankSettings } from "./rerank-settings.ts";
import { shapeOf } from "./rerank-shapes.ts";

const FAILURES: Readonly<Record<ProviderErrorKind, RerankFailure>> = {
  throttled: "throttled",
  unavailable: "unavailable",
  row: "refused",
  setup: "setup",
};
/** For the connection alone to end after our own deadline, which says more. */
const GRACE_MS = 1_000;

/** What an answer charged. */
export type OnCharged = (charged: { readonly requests: number; readonly tokens: number }) => void;

const NEVER = new AbortController().signal;

/** A service that reads a question next to each of some texts, and scores how well it answers. */
export class Reranker {
  readonly #settings: RerankSettings;
  readonly #client: JsonClient;
  readonly #circuit = new RerankCircuit();
  readonly #path: string;
  readonly #context: ErrorContext;
  /** What is said in place of a request that the service would refuse. */
  readonly #missingKey: string | undefined;

  constructor(settings: RerankSettings) {
    const { apiKey, baseUrl, model, timeoutMs } = settings;
    const url = new URL(baseUrl);
    this.#settings = settings;
    const address = rerankAddress(settings);
    this.#path = new URL(address).pathname;
    const isMissing = apiKey === "" && shapeOf(settings.backend).host.test(url.hostname);
    this.#missingKey = isMissing ? missingKey(url, "RERANK_API_KEY") : undefined;
    const headers = apiKey === "" ? {} : bearer(apiKey);
    this.#client = new JsonClient({ ...settings, timeoutMs: timeoutMs + GRACE_MS }, { ...headers });
    this.#context = {
      address,
      model: model ?? "",
      settings: { address: "RERANK_BASE_URL", key: "RERANK_API_KEY", model: "RERANK_MODEL" },
      secrets: [apiKey],
      consequence: "Searches keep their first order.",
    };
  }

  /** Where it is asked: origin and path. */
  get address(): string {
    return this.#context.address;
  }

  /**
   * The score of each text, in the order of the texts; highest is best. What is too long is cut. Nothing is retried;
   * after failures in a row it is not asked for a while.
   * @param onCharged called per answer, a useless one included
   * @throws {RerankError} or, when aborted, the signal's reason
   */
  async scores(
    question: string,
    texts: readonly string[],
    signal: AbortSignal = NEVER,
    onCharged: OnCharged = () => undefined,
  ): Promise<number[]> {
    if (this.#missingKey !== undefined) throw new RerankError("setup", this.#missingKey);
    return await this.#circuit.run(this.address, () => this.#scores(question, texts, signal, onCharged));
  }

  async #scores(
    question: string,
    texts: readonly string[],
    signal: AbortSignal,
    onCharged: OnCharged,
  ): Promise<number[]> {
    const { backend, textCharacters, timeoutMs } = this.#settings;
    const asked = cutText(question, textCharacters);
    const cut = texts.map((text) => cutText(text, textCharacters));
    using deadline = new Deadline(signal, timeoutMs);
    try {
      const parts = inParts(cut, shapeOf(backend).texts);
      return (
        await Promise.all(parts.map((part) => this.#ask(asked, part, deadline.signal, onCharged)))
      ).flat();
    } catch (error) {
      if (deadline.expired) throw new RerankError("late", this.#late());
      throw error instanceof ProviderError
        ? new RerankError(FAILURES[error.kind], error.message, { cause: error })
        : error;
    }
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  async #ask(
    question: string,
    texts: readonly string[],
    signal: AbortSignal,
    onCharged: OnCharged,
  ): Promise<number[]> {
    const { body, results, score, tokens } = shapeOf(this.#settings.backend);
    const request = body({ model: this.#settings.model, question, texts });
    const sent = [question, ...texts];
    const answer = await this.#client.post(this.#path, request, sent, this.#context, signal);
    // Some gateways answer 200 and put the real status into the body.
    const list = results === undefined ? answer.body : at(answer.body, results);
    const complaint = Array.isArray(list) ? undefined : complaintOf(answer.body);
    if (complaint?.status !== undefined)
      throw classifyAnswer(complaint.status, answer.headers, complaint, sent, this.#context);
    const charged = tokens === undefined ? undefined : tokenCount(at(answer.body, ...tokens));
    // The question is read next to each text.
    onCharged({ requests: 1, tokens: charged ?? estimateTokens(texts.map((text) => question + text)) });
    return readScores(list, score, texts.length, this.address);
  }

  #late(): string {
    return `${this.address} gave no whole answer within ${this.#settings.timeoutMs} ms (RERANK_TIMEOUT). Searches keep their first order.`;
  }
}

/** The reranker of the configuration; undefined if there is none. It stays open until it is closed. */
export function openReranker(config: RerankConfig): Reranker | undefined {
  const settings = rerankSettings(config);
  return settings === undefined ? undefined : new Reranker(settings);
}

function inParts(texts: readonly string[], most: number): (readonly string[])[] {
  return Array.from({ length: Math.ceil(texts.length / most) }, (_, i) =>
    texts.slice(i * most, (i + 1) * most),
  );
}
