import { ProviderError } from "../provider-error.ts";
import type { Embeddings, Provider } from "../provider.ts";
import { CuttableTexts } from "./cuttable-texts.ts";
import type { EmbedResult, RefusedText } from "./embed-result.ts";
import { PROBE_TEXT, refusesAll } from "./probe-text.ts";

export interface BisectionOptions {
  /** `EMBED_ON_TOO_LONG`: whether a text over the model's limit fails, or is cut to what the model reads. */
  readonly onTooLong?: "fail" | "truncate";
}

/** Some texts make a server fail instead of refusing them. A half gets few requests: the retries are for a text alone. */
const ATTEMPTS_PER_HALF = 2;
/** A text this short that is still "too long" is refused for another reason. */
const SHORTEST_CUT = 100;
/** A text that is too long is cut to this share of itself, until it is accepted. */
const CUT_TO = 0.75;

/**
 * Embeds texts of rows of which some may be refused: a batch that is refused because of a text is halved until each such text
 * stands alone. At most 2·k·log2(n)+1 requests for k such texts among n (one more where no text was embedded, and more
 * while texts are being cut to length). `onResult` is awaited after each part that was embedded, so that the other texts
 * are stored before the last refused one is found.
 *
 *   sent alone and refused ──▶ suspect ──the provider embedded any other text──▶ reported as refused
 *                                │
 *                                └──it embedded none: a probe is sent──answered──▶ reported as refused
 *                                                                      refused───▶ thrown: the request is wrong, not the texts
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
  readonly #texts: CuttableTexts;
  /** Refused alone, while no other text has been embedded yet. */
  #suspects: RefusedText[] = [];
  #anySucceeded = false;
  #isHalving = false;

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
  }

  async run(): Promise<void> {
    const { indices, refused } = this.#texts.withinLimit(
      this.#provider.limits.textCharacters,
      this.#truncates,
    );
    for (const text of refused) await this.#onResult(text);
    if (indices.length > 0) await this.#embed(indices, false);
    if (this.#suspects.length === 0) return;
    await this.#provider.embed([PROBE_TEXT], "document", this.#signal).catch(blameTheRequest);
    await this.#reportSuspects();
  }

  /**
   * @param hasRefused whether one of them is known to be refused, so that sending them together would teach nothing
   * @returns whether all of them were embedded
   */
  async #embed(indices: readonly number[], hasRefused: boolean): Promise<boolean> {
    let refusal: ProviderError | undefined;
    if (!hasRefused || indices.length === 1) {
      refusal = await this.#send(indices);
      if (refusal === undefined) return true;
    }
    const [only] = indices;
    if (indices.length === 1 && only !== undefined && refusal !== undefined) {
      return await this.#suspect(only, refusal);
    }
    const half = Math.floor(indices.length / 2);
    const isFirstEmbedded = await this.#embed(indices.slice(0, half), false);
    // A 413 may be about the size of the whole request: then possibly no text of either half is refused.
    await this.#embed(indices.slice(half), isFirstEmbedded && refusal?.status !== 413);
    return false;
  }

  /** Sends one request. @returns its refusal, where a text causes it */
  async #send(indices: readonly number[]): Promise<ProviderError | undefined> {
    const texts = indices.map((index) => this.#texts.at(index));
    let embeddings: Embeddings;
    try {
      const attempts = this.#isHalving && indices.length > 1 ? ATTEMPTS_PER_HALF : undefined;
      embeddings = await this.#provider.embed(texts, "document", this.#signal, { attempts });
    } catch (error) {
      if (!(error instanceof ProviderError) || error.kind !== "row") throw error;
      this.#isHalving = true;
      return error;
    }
    this.#anySucceeded = true;
    const truncated = indices.filter((index) => this.#texts.isCut(index));
    const { vectors, tokens } = embeddings;
    await this.#onResult({ kind: "embedded", indices, vectors, tokens, truncated });
    await this.#reportSuspects();
    return undefined;
  }

  /** Handles a text that was refused alone: cuts it while that may help. @returns whether it was embedded then */
  async #suspect(index: number, error: ProviderError): Promise<boolean> {
    let refusal = error;
    let { length } = this.#texts.at(index);
    while (this.#truncates && refusal.tooLong && length > SHORTEST_CUT) {
      length = Math.floor(length * CUT_TO);
      this.#texts.cut(index, length);
      const next = await this.#send([index]);
      if (next === undefined) return true;
      refusal = next;
    }
    this.#suspects.push({ kind: "refused", index, error: refusal });
    if (this.#anySucceeded) await this.#reportSuspects();
    return false;
  }

  async #reportSuspects(): Promise<void> {
    const suspects = this.#suspects;
    this.#suspects = [];
    for (const suspect of suspects) await this.#onResult(suspect);
  }
}

function blameTheRequest(error: unknown): never {
  throw error instanceof ProviderError && error.kind === "row" ? refusesAll(error) : error;
}
