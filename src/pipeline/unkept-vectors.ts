/**
 * Vectors of one source that neither its table nor the cache takes, although the database answers: a right was lost, or a
 * column of ours. They are paid for: while there are any, nothing more is sent.
 */
export class UnkeptVectors {
  #held = 0;
  #last: Promise<unknown> = Promise.resolve();

  get isEmpty(): boolean {
    return this.#held === 0;
  }

  /** Has them written one after the other: what the first waits for, the others lack too. @param write must not reject */
  async hold<T>(write: () => Promise<T>): Promise<T> {
    this.#held++;
    const writing = this.#last.then(write);
    this.#last = writing;
    const outcome = await writing;
    this.#held--;
    return outcome;
  }

  /** Resolves when there are none. */
  async none(): Promise<void> {
    while (!this.isEmpty) await this.#last;
  }
}
