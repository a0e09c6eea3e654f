/**
 * Vectors of one source that neither its table nor the cache takes, although the database answers: a right was lost, or a
 * column of ours. They are paid for: while there are any, nothing more is sent.
 */
export class UnkeptVectors {
  #held = 0;
  #last: Promise<void> = Promise.resolve();

  get isEmpty(): boolean {
    return this.#held === 0;
  }

  /** Has them written one after the other: what the first waits for, the others lack too. @param write must not reject */
  async hold(write: () => Promise<void>): Promise<void> {
    this.#held++;
    this.#last = this.#last.then(write);
    await this.#last;
    this.#held--;
  }

  /** Resolves when there are none. */
  async none(): Promise<void> {
    while (!this.isEmpty) await this.#last;
  }
}
