import { unlessAborted } from "../timing/unless-aborted.ts";

/** A question that is being embedded, for all who ask it meanwhile: it goes on as long as one of them waits. */
export class Asking {
  readonly #vector: Promise<string>;
  readonly #abandoned = new AbortController();
  readonly #onEnd: () => void;
  #waiting = 0;

  /** @param onEnd called when it has ended, or nobody waits any more: then it is of no use to others */
  constructor(ask: (signal: AbortSignal) => Promise<string>, onEnd: () => void) {
    this.#onEnd = onEnd;
    this.#vector = ask(this.#abandoned.signal).finally(onEnd);
    // Its failure is for those who wait.
    this.#vector.catch(() => undefined);
  }

  /** @throws what the asking failed with, or the signal's reason */
  async vector(signal: AbortSignal): Promise<string> {
    this.#waiting++;
    try {
      return await unlessAborted(signal, this.#vector);
    } finally {
      this.#waiting--;
      if (this.#waiting === 0) {
        this.#onEnd();
        this.#abandoned.abort();
      }
    }
  }
}
