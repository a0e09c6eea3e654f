import { ProviderError } from "../provider-error.ts";

interface Suspect {
  /** The most texts that a request with it may have. */
  readonly most: number;
  /** How often the provider stopped answering when it was sent alone. */
  readonly times: number;
  readonly since: number;
}

/** So often must a provider break at a text alone, and recover, before the text is refused. */
const TIMES = 3;
/** After so long, what it did counts no more: a row that is retried is sent again. */
const COUNTS_MS = 300_000;
/** Texts that were deleted or changed meanwhile are never sent again: the oldest are forgotten. */
const MOST_REMEMBERED = 10_000;

/**
 * Texts of requests at which the provider stopped answering altogether: one of them may break it. They are remembered
 * while the circuit is open and their rows are pending, and are sent in smaller and smaller requests, one at a time, until
 * the text that breaks the provider stands alone. A text that is embedded is no suspect any more.
 */
export class Suspects {
  readonly #texts = new Map<string, Suspect>();
  #turn: Promise<void> = Promise.resolve();

  /** Whether a request for these texts must be divided first. */
  mustDivide(texts: readonly string[]): boolean {
    return texts.some((text) => (this.#texts.get(text)?.most ?? Number.POSITIVE_INFINITY) < texts.length);
  }

  includesAny(texts: readonly string[]): boolean {
    return this.#texts.size > 0 && texts.some((text) => this.#texts.has(text));
  }

  /** The provider stopped answering while it had a request for these texts. */
  add(texts: readonly string[]): void {
    const most = Math.max(1, Math.floor(texts.length / 2));
    const since = performance.now();
    for (const text of texts) {
      const before = this.#texts.get(text);
      const times = before !== undefined && since - before.since < COUNTS_MS ? before.times : 0;
      this.#texts.delete(text);
      this.#texts.set(text, { most, times: texts.length === 1 ? times + 1 : times, since });
    }
    for (const text of this.#texts.keys()) {
      if (this.#texts.size <= MOST_REMEMBERED) return;
      this.#texts.delete(text);
    }
  }

  /** These were embedded. */
  clear(texts: readonly string[]): void {
    if (this.#texts.size > 0) for (const text of texts) this.#texts.delete(text);
  }

  /** @returns why a text is refused that broke the provider often enough */
  verdict(texts: readonly string[]): ProviderError | undefined {
    const [text] = texts;
    const suspect = texts.length === 1 && text !== undefined ? this.#texts.get(text) : undefined;
    if (text === undefined || suspect === undefined || suspect.times < TIMES) return undefined;
    if (performance.now() - suspect.since > COUNTS_MS) return undefined;
    const message = `The provider stopped answering each time it was asked for this text alone (${TIMES} times). Change the text, and it is embedded again.`;
    return new ProviderError("row", message);
  }

  /** Waits until no other request with a suspect is under way. @returns ends the turn */
  async turn(): Promise<() => void> {
    const before = this.#turn;
    let end = (): void => undefined;
    this.#turn = before.then(() => new Promise<void>((resolve) => (end = resolve)));
    await before;
    return () => {
      end();
    };
  }
}
