const PAUSE_MS = 60_000;

/** What is reported at every try while it lasts: the first time, then once a minute, until it is over. */
export class Seldom {
  #reported: number | undefined;

  isDue(): boolean {
    const now = performance.now();
    if (this.#reported !== undefined && now - this.#reported < PAUSE_MS) return false;
    this.#reported = now;
    return true;
  }

  /** @returns whether it was reported */
  over(): boolean {
    const wasReported = this.#reported !== undefined;
    this.#reported = undefined;
    return wasReported;
  }
}
