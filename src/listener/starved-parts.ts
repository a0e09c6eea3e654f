/**
 * How long a part counts as starved after it was last refused a connection: a part that still needs one asks again within
 * seconds, and one that needs none any more would never say so.
 */
const FRESH_MS = 10_000;

/** Which parts of a listener have no connection, because none is free. */
export class StarvedParts<Part extends string> {
  /** When each was last refused one. */
  readonly #refused = new Map<Part, number>();

  set(part: Part, isStarved: boolean): void {
    if (isStarved) this.#refused.set(part, performance.now());
    else this.#refused.delete(part);
  }

  get isAny(): boolean {
    const now = performance.now();
    return [...this.#refused.values()].some((at) => now - at < FRESH_MS);
  }
}
