import { hash } from "node:crypto";
import { unlessAborted } from "../../timing/unless-aborted.ts";
import { ProviderError } from "../provider-error.ts";
import { REWORD } from "../what-follows.ts";

interface Suspect {
  /** The most texts that a request with it may have. */
  readonly most: number;
  /** How often the provider stopped answering when it was sent alone, having answered probes just before. */
  readonly times: number;
  readonly since: number;
}

/** So often must a provider break at a text alone, and recover, before the text is refused. */
const TIMES = 3;
/** After so long it is no suspect any more: a row that is retried is sent again. */
const COUNTS_MS = 300_000;
/** The oldest are forgotten. */
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
    const most = (text: string): number => this.#of(text)?.most ?? Number.POSITIVE_INFINITY;
    return this.#texts.size > 0 && texts.some((text) => most(text) < texts.length);
  }

  includesAny(texts: readonly string[]): boolean {
    return this.#texts.size > 0 && texts.some((text) => this.#of(text) !== undefined);
  }

  /**
   * The provider stopped answering while it had a request for these texts.
   * @param isWitnessed whether it had answered probes just before
   */
  add(texts: readonly string[], isWitnessed: boolean): void {
    const most = Math.max(1, Math.floor(texts.length / 2));
    const since = performance.now();
    for (const text of texts) {
      const times = this.#of(text)?.times ?? 0;
      const id = idOf(text);
      this.#texts.delete(id);
      this.#texts.set(id, { most, times: texts.length === 1 && isWitnessed ? times + 1 : times, since });
    }
    for (const [id, suspect] of this.#texts) {
      if (this.#texts.size <= MOST_REMEMBERED && since - suspect.since < COUNTS_MS) return;
      this.#texts.delete(id);
    }
  }

  /** These were embedded. */
  clear(texts: readonly string[]): void {
    if (this.#texts.size > 0) for (const text of texts) this.#texts.delete(idOf(text));
  }

  /** @returns why a text is refused that broke the provider often enough */
  verdict(texts: readonly string[]): ProviderError | undefined {
    const [text] = texts;
    if (this.#texts.size === 0 || texts.length !== 1 || text === undefined) return undefined;
    if ((this.#of(text)?.times ?? 0) < TIMES) return undefined;
    const message = `The provider stopped answering each time it was asked for this text alone (${TIMES} times). ${REWORD}`;
    return new ProviderError("row", message);
  }

  /** Waits until no other request with a suspect is under way. @returns ends the turn. @throws the signal's reason */
  async turn(signal: AbortSignal): Promise<() => void> {
    const before = this.#turn;
    let end = (): void => undefined;
    this.#turn = before.then(() => new Promise<void>((resolve) => (end = resolve)));
    const endTurn = (): void => {
      end();
    };
    try {
      await unlessAborted(signal, before);
    } catch (error) {
      void before.then(endTurn);
      throw error;
    }
    return endTurn;
  }

  #of(text: string): Suspect | undefined {
    const suspect = this.#texts.get(idOf(text));
    return suspect === undefined || performance.now() - suspect.since > COUNTS_MS ? undefined : suspect;
  }
}

/** Texts are remembered by their hash: they may be long, and they may have been erased meanwhile. */
function idOf(text: string): string {
  return hash("sha1", text, "base64");
}
