import type { ClaimedRow } from "../queue/claim.ts";
import type { UniqueText } from "./unique-text.ts";

/** Texts that are being embedded now: a row with the same text waits for that vector, and is not paid for again. */
export class PendingTexts {
  readonly #embedding = new Map<string, Promise<unknown>>();
  readonly #parked = new Set<Promise<void>>();
  #landed: { readonly hash: string; readonly embedded: Promise<unknown> }[] = [];

  get hasParked(): boolean {
    return this.#parked.size > 0;
  }

  /** Resolves when some of the parked rows have been applied. */
  async unparked(): Promise<void> {
    await Promise.race(this.#parked);
  }

  /** Puts rows aside whose text is being embedded now, until `apply` can give them that vector. @returns the others. */
  park(rows: readonly ClaimedRow[], apply: (rows: readonly ClaimedRow[]) => Promise<void>): ClaimedRow[] {
    const waiting = new Map<Promise<unknown>, ClaimedRow[]>();
    const others = rows.filter((row) => {
      const embedded = isToEmbed(row) ? this.#embedding.get(row.text_hash ?? "") : undefined;
      if (embedded === undefined) return true;
      waiting.set(embedded, [...(waiting.get(embedded) ?? []), row]);
      return false;
    });
    for (const [embedded, parked] of waiting) {
      const applied: Promise<void> = embedded
        .then(() => apply(parked))
        .catch(() => undefined)
        .finally(() => this.#parked.delete(applied));
      this.#parked.add(applied);
    }
    return others;
  }

  /** Holds the texts until `embedded` settles, and on until the next claim is about to be made. */
  hold(pieces: readonly UniqueText[], embedded: Promise<unknown>): void {
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

/** Its text has no vector yet. */
export function isToEmbed({ state }: ClaimedRow): boolean {
  return state === "new" || state === "in_progress";
}
