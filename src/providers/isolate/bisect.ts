import { ProviderError, type TooMuch } from "../provider-error.ts";
import type { Embeddings, EmbedOptions, Provider } from "../provider.ts";
import { CuttableTexts } from "./cuttable-texts.ts";
import type { EmbedResult, RefusedText } from "./embed-result.ts";
import { PROBE_TEXT, refusesAll } from "./probe-text.ts";

export interface BisectionOptions {
  /** `EMBED_ON_TOO_LONG`: whether a text over the model's limit fails, or is cut to what the model reads. */
  readonly onTooLong?: "fail" | "truncate";
  /** What the texts are sent for. */
  readonly turn?: EmbedOptions["turn"];
}

/** A text this short that is still "too long" is refused for another reason. */
const SHORTEST_CUT = 100;
/** A text that is too long is cut to this share of itself, until it is accepted. */
const CUT_TO = 0.75;

/**
 * Embeds texts of which some may be refused: a batch that is refused is halved until each such text stands alone, one
 * attempt each. At most 2·k·log2(n)+1 requests for k such texts among n, and one more for each of them: when the others are
 * embedded, a text that stands alone is sent again, with all retries (more requests while texts are being cut to length).
 * `onResult` is awaited after each part that was embedded, so that the other texts never wait for those that are refused.
 *
 *   sent alone and refused ──▶ accused ──another text was embedded, or a probe is answered──▶ sent again
 *                                                     │ refused                       refused │ embedded
 *                                                     ▼                                       ▼
 *                                 thrown: the request is wrong, not the texts        reported as refused
 *
 * A batch may be refused for its size alone. Where the provider names how many texts it takes, it is divided into as many;
 * what is learned about the size is kept by the provider (`restrict`).
 *
 * @param texts not empty, at most as many as one request takes
 * @throws {ProviderError} `throttled`, `unavailable` or `setup`: the texts without a result by then are still to be embedded
 */
export async function embedWithBisection(
  provider: Provider,
  texts: readonly string[],
  signal: AbortSignal,
  onResult: (result: EmbedResult) => void | Promise<void>,
  options: BisectionOptions = {},
): Promise<void> {
  await new Bisection(provider, texts, signal, onResult, options).run();
}

class Bisection {
  readonly #provider: Provider;
  readonly #signal: AbortSignal;
  readonly #onResult: (result: EmbedResult) => void | Promise<void>;
  readonly #truncates: boolean;
  readonly #turn: EmbedOptions["turn"];
  readonly #texts: CuttableTexts;
  /** Refused alone, once. */
  readonly #accused: RefusedText[] = [];
  #anySucceeded = false;

  constructor(
    provider: Provider,
    texts: readonly string[],
    signal: AbortSignal,
    onResult: (result: EmbedResult) => void | Promise<void>,
    options: BisectionOptions,
  ) {
    this.#provider = provider;
    this.#texts = new CuttableTexts(texts);
    this.#signal = signal;
    this.#onResult = onResult;
    this.#truncates = options.onTooLong === "truncate";
    this.#turn = options.turn;
  }

  async run(): Promise<void> {
    const { indices, refused } = this.#texts.withinLimit(
      this.#provider.limits.textCharacters,
      this.#truncates,
    );
    for (const text of refused) await this.#onResult(text);
    if (indices.length > 0) await this.#embed(indices, false);
    await this.#settleAccused();
  }

  /**
   * @param hasRefused whether one of them is known to be refused, so that sending them together would teach nothing
   * @returns whether all of them were embedded
   */
  async #embed(indices: readonly number[], hasRefused: boolean): Promise<boolean> {
    const { inputs } = this.#provider.limits;
    const isTooMany = indices.length > inputs;
    let refusal: ProviderError | undefined;
    if (!isTooMany && (!hasRefused || indices.length === 1)) {
      refusal = await this.#send(indices, 1);
      if (refusal === undefined) return true;
    }
    const [only] = indices;
    if (indices.length === 1 && only !== undefined && refusal !== undefined) {
      return await this.#accuse(only, refusal);
    }
    const parts = divide(indices, isTooMany ? inputs : refusal?.tooMuch?.most);
    let areEmbedded = true;
    for (const part of parts) {
      // A refusal for the size says nothing of a part; after any other, and if all else is embedded, the last part has the text.
      const isRefused = refusal === undefined ? hasRefused : refusal.tooMuch === undefined;
      const isLast = part === parts.at(-1);
      areEmbedded = (await this.#embed(part, isRefused && isLast && areEmbedded)) && areEmbedded;
    }
    if (areEmbedded && refusal?.tooMuch !== undefined) this.#learnSize(refusal.tooMuch, parts);
    return areEmbedded;
  }

  /** Each part was accepted, where all of them together were too much. */
  #learnSize({ unit }: TooMuch, parts: readonly (readonly number[])[]): void {
    if (unit === "unknown" || parts.some((part) => part.some((index) => this.#texts.isCut(index)))) return;
    const largest = (sizes: readonly number[]): number => Math.max(...sizes);
    if (unit === "inputs") this.#provider.restrict?.({ inputs: largest(parts.map((part) => part.length)) });
    else
      this.#provider.restrict?.({ characters: largest(parts.map((part) => this.#texts.characters(part))) });
  }

  /** Sends one request. @returns its refusal, where a text causes it */
  async #send(indices: readonly number[], attempts?: number): Promise<ProviderError | undefined> {
    const texts = indices.map((index) => this.#texts.at(index));
    let embeddings: Embeddings;
    try {
      embeddings = await this.#provider.embed(texts, "document", this.#signal, {
        attempts,
        turn: this.#turn,
      });
    } catch (error) {
      if (!(error instanceof ProviderError) || error.kind !== "row") throw error;
      return error;
    }
    this.#anySucceeded = true;
    const truncated = indices.filter((index) => this.#texts.isCut(index));
    await this.#onResult({ kind: "embedded", indices, vectors: embeddings.vectors, truncated });
    return undefined;
  }

  /** Handles a text that was refused alone: cuts it while that may help. @returns whether it was embedded then */
  async #accuse(index: number, error: ProviderError): Promise<boolean> {
    let refusal = error;
    let { length } = this.#texts.at(index);
    while (this.#truncates && refusal.tooLong && length > SHORTEST_CUT) {
      length = Math.floor(length * CUT_TO);
      this.#texts.cut(index, length);
      const next = await this.#send([index], 1);
      if (next === undefined) return true;
      refusal = next;
    }
    this.#accused.push({ kind: "refused", index, error: refusal });
    return false;
  }

  async #settleAccused(): Promise<void> {
    if (this.#accused.length > 0 && !this.#anySucceeded) {
      await this.#provider.embed([PROBE_TEXT], "document", this.#signal).catch(blameTheRequest);
    }
    for (const { index, error } of this.#accused) {
      // That a text is too long needs no second witness, but for a server that breaks down at it.
      const isSure = error.tooLong && (error.status ?? 0) < 500;
      const refusal = isSure ? error : await this.#send([index]);
      if (refusal !== undefined) await this.#onResult({ kind: "refused", index, error: refusal });
    }
  }
}

/** In parts of as many as the provider said it takes; otherwise in halves. */
function divide(indices: readonly number[], most: number | undefined): (readonly number[])[] {
  const { length } = indices;
  if (most === undefined || most >= length) {
    const half = Math.floor(length / 2);
    return [indices.slice(0, half), indices.slice(half)];
  }
  return Array.from({ length: Math.ceil(length / most) }, (_, i) => indices.slice(i * most, (i + 1) * most));
}

function blameTheRequest(error: unknown): never {
  throw error instanceof ProviderError && error.kind === "row" ? refusesAll(error) : error;
}
