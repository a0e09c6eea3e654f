import type { VectorArray } from "../../database/vector-array.ts";
import { cutText } from "../cut-text.ts";
import { PROBE_TEXT, refusesAll } from "./probe-text.ts";
import { ProviderError } from "../provider-error.ts";
import type { Embeddings, Provider } from "../provider.ts";

/** Some texts make a server fail rather than refuse: all the patience goes to those that stand alone. */
const ATTEMPTS_A_HALF = 2;

/** What became of some of the texts; `indices` are their places among the texts that were given. */
export type EmbedResult =
  | {
      readonly kind: "embedded";
      readonly indices: readonly number[];
      /** One a text, in the order of `indices`. */
      readonly vectors: VectorArray;
      readonly tokens: number;
      /** Those of the indices whose text was cut before it was sent. */
      readonly truncated: readonly number[];
    }
  | { readonly kind: "refused"; readonly index: number; readonly error: ProviderError };

export interface IsolatingOptions {
  /** `EMBED_ON_TOO_LONG`: whether a text over the model's limit fails, or is cut to what the model takes. */
  readonly onTooLong?: "fail" | "truncate";
}

/** A text this short that is still "too long" is refused for another reason. */
const SHORTEST_CUT = 100;

/**
 * Embeds texts of which some may be refused: a batch that is refused for a row's own fault is halved until the
 * offenders stand alone. At most 2·k·log2(n)+1 requests for k offenders among n (one more where nothing at all went
 * through, and more while texts are being cut to length). `onSettled` is awaited after each part that succeeded, so
 * that innocent texts are stored before the last offender is found.
 *
 * A text is only ever accused by a request that carried it alone, and only after the provider took another one:
 * where everything is refused it is the request that is wrong, not the texts.
 *
 * @param texts not empty, one request's worth of them
 * @throws {ProviderError} `throttled`, `unwell` or `setup`: what has not been settled by then is still to do
 */
export async function embedWithBisection(
  provider: Provider,
  texts: readonly string[],
  signal: AbortSignal,
  onSettled: (settled: EmbedResult) => void | Promise<void>,
  options: IsolatingOptions = {},
): Promise<void> {
  await new Isolation(provider, texts, signal, onSettled, options).run();
}

class Isolation {
  readonly #provider: Provider;
  readonly #signal: AbortSignal;
  readonly #onSettled: (settled: EmbedResult) => void | Promise<void>;
  readonly #truncates: boolean;
  readonly #texts: string[];
  readonly #truncated = new Set<number>();
  /** Refused alone, while nothing else has been taken yet. */
  #accused: Extract<EmbedResult, { kind: "refused" }>[] = [];
  #anySucceeded = false;
  #halving = false;

  constructor(
    provider: Provider,
    texts: readonly string[],
    signal: AbortSignal,
    onSettled: (settled: EmbedResult) => void | Promise<void>,
    options: IsolatingOptions,
  ) {
    this.#provider = provider;
    this.#texts = [...texts];
    this.#signal = signal;
    this.#onSettled = onSettled;
    this.#truncates = options.onTooLong === "truncate";
  }

  async run(): Promise<void> {
    const indices = await this.#withoutTooLong();
    if (indices.length > 0) await this.#isolate(indices, false);
    if (this.#accused.length === 0) return;
    await this.#provider.embed([PROBE_TEXT], this.#signal).catch(blameTheRequest);
    await this.#sentence();
  }

  /** Cuts, or refuses without asking, what is longer than the provider is known to take. */
  async #withoutTooLong(): Promise<number[]> {
    const limit = this.#provider.limits.textCharacters;
    const indices: number[] = [];
    for (const [index, text] of this.#texts.entries()) {
      if (text.length <= limit) indices.push(index);
      else if (this.#truncates) {
        this.#cut(index, limit);
        indices.push(index);
      } else {
        const message = `The text has ${text.length} characters, and ${limit} are allowed. Shorten it, or set EMBED_ON_TOO_LONG=truncate.`;
        const error = new ProviderError("row", message, { tooLong: true });
        await this.#onSettled({ kind: "refused", index, error });
      }
    }
    return indices;
  }

  /**
   * @param known that an offender is among them, so that nothing is learnt by sending them all together
   * @returns whether all of them were taken
   */
  async #isolate(indices: readonly number[], known: boolean): Promise<boolean> {
    let refusal: ProviderError | undefined;
    if (!known || indices.length === 1) {
      refusal = await this.#send(indices);
      if (refusal === undefined) return true;
    }
    const [only] = indices;
    if (indices.length === 1 && only !== undefined && refusal !== undefined) {
      return await this.#accuse(only, refusal);
    }
    const half = Math.floor(indices.length / 2);
    const firstTaken = await this.#isolate(indices.slice(0, half), false);
    // 413 may be about the size of the whole: then neither half need have an offender.
    await this.#isolate(indices.slice(half), firstTaken && refusal?.status !== 413);
    return false;
  }

  /** One request; its refusal, where a row is at fault. */
  async #send(indices: readonly number[]): Promise<ProviderError | undefined> {
    const texts = indices.map((index) => this.#texts[index] ?? "");
    let embeddings: Embeddings;
    try {
      const attempts = this.#halving && indices.length > 1 ? ATTEMPTS_A_HALF : undefined;
      embeddings = await this.#provider.embed(texts, this.#signal, { attempts });
    } catch (error) {
      if (!(error instanceof ProviderError) || error.kind !== "row") throw error;
      this.#halving = true;
      return error;
    }
    this.#anySucceeded = true;
    const truncated = indices.filter((index) => this.#truncated.has(index));
    const { vectors, tokens } = embeddings;
    await this.#onSettled({ kind: "embedded", indices, vectors, tokens, truncated });
    await this.#sentence();
    return undefined;
  }

  async #accuse(index: number, error: ProviderError): Promise<boolean> {
    let refusal: ProviderError | undefined = error;
    let length = this.#texts[index]?.length ?? 0;
    while (this.#truncates && refusal.tooLong && length > SHORTEST_CUT) {
      length = Math.floor(length * 0.75);
      this.#cut(index, length);
      refusal = await this.#send([index]);
      if (refusal === undefined) return true;
    }
    this.#accused.push({ kind: "refused", index, error: refusal });
    if (this.#anySucceeded) await this.#sentence();
    return false;
  }

  async #sentence(): Promise<void> {
    const accused = this.#accused;
    this.#accused = [];
    for (const refused of accused) await this.#onSettled(refused);
  }

  #cut(index: number, characters: number): void {
    this.#texts[index] = cutText(this.#texts[index] ?? "", characters);
    this.#truncated.add(index);
  }
}

function blameTheRequest(error: unknown): never {
  throw error instanceof ProviderError && error.kind === "row" ? refusesAll(error) : error;
}
