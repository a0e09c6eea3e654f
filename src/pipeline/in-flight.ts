import type { ClaimedRow } from "../queue/claim.ts";
import type { Piece } from "./piece.ts";

/** Texts that are being embedded now: a row with the same text waits for that vector, and is not paid for again. */
export class InFlight {
  readonly #embedding = new Map<string, Promise<unknown>>();
  #landed: { readonly hash: string; readonly embedded: Promise<unknown> }[] = [];

  /** When the vector of `row`'s text will be there, or undefined where nobody is embedding it. */
  find(row: ClaimedRow): Promise<unknown> | undefined {
    return row.text_hash === null ? undefined : this.#embedding.get(row.text_hash);
  }

  /** Holds the texts until `embedded` settles, and on until the next claim is about to be made. */
  hold(pieces: readonly Piece[], embedded: Promise<unknown>): void {
    for (const { hash } of pieces) this.#embedding.set(hash, embedded);
    void embedded.finally(() => {
      for (const { hash } of pieces) this.#landed.push({ hash, embedded });
    });
  }

  /**
   * Forgets the texts that have settled; to be called before each claim. A claim that is under way when they settle has
   * looked into the cache before, and would take their text for new.
   */
  forgetLanded(): void {
    for (const { hash, embedded } of this.#landed) {
      if (this.#embedding.get(hash) === embedded) this.#embedding.delete(hash);
    }
    this.#landed = [];
  }
}
