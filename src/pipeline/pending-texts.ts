import { groupBy } from "./group-by.ts";
import type { ClaimedRow } from "../queue/claim-state.ts";

/** Texts that were sent and whose vectors are not written yet: a row with the same text waits for that vector, and is not paid for again. */
export class PendingTexts {
  /** By the text's hash; settles when the vectors are written, or the request has failed. */
  readonly #sent = new Map<string, Promise<unknown>>();
  #completed: { readonly hash: string; readonly written: Promise<unknown> }[] = [];
  readonly #waiting = new Set<Promise<void>>();

  has(hash: string): boolean {
    return this.#sent.has(hash);
  }

  /** Whether any rows wait for the vectors of others. */
  get hasWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  /** Resolves when some of the waiting rows have been handled. */
  async someHandled(): Promise<void> {
    await Promise.race(this.#waiting);
  }

  /** Keeps the texts until their vectors are written, and from then on until `evictCompleted`. */
  add(hashes: readonly string[], written: Promise<unknown>): void {
    for (const hash of hashes) this.#sent.set(hash, written);
    void written.finally(() => {
      for (const hash of hashes) this.#completed.push({ hash, written });
    });
  }

  /** Has rows wait whose texts are pending; `handle` gets those of one request together when that has ended. */
  attach(rows: readonly ClaimedRow[], handle: (rows: readonly ClaimedRow[]) => Promise<void>): void {
    for (const [written, attached] of groupBy(rows, (row) => this.#sent.get(row.text_hash ?? ""))) {
      if (written === undefined) throw new RangeError("a row whose text is not pending");
      const handled: Promise<void> = written
        .then(() => handle(attached))
        .catch(() => undefined)
        .finally(() => this.#waiting.delete(handled));
      this.#waiting.add(handled);
    }
  }

  /**
   * Forgets the texts whose vectors are written; to be called before each claim. A claim that runs while they are written
   * may have looked into the cache before, and calls their text new.
   */
  evictCompleted(): void {
    for (const { hash, written } of this.#completed) {
      if (this.#sent.get(hash) === written) this.#sent.delete(hash);
    }
    this.#completed = [];
  }
}
