import type { VectorArray } from "../database/vector-array.ts";
import type { UniqueText } from "./unique-text.ts";

/** How long one write should hold its rows, for which users may be waiting. */
const TARGET_MS = 250;
/** While nothing has been measured yet. */
const FIRST_ROWS = 32;
const FEWEST_ROWS = 16;
/** Of the last write, against all that were before it. */
const WEIGHT = 0.5;

/**
 * How many rows to write in one statement: all of a batch, unless rows are slow to write, as they are where an index of
 * vectors is in place (some 7 ms per row of 1536 dimensions, against 0.1). Then a batch is cut, so that no user waits a
 * second for one of its rows.
 */
export class WriteSize {
  #msPerRow: number | undefined;
  #claimMs = 0;

  /** In parts of about equal size. */
  cut<T>(items: readonly T[]): (readonly T[])[] {
    const most =
      this.#msPerRow === undefined ? FIRST_ROWS : Math.max(FEWEST_ROWS, TARGET_MS / this.#msPerRow);
    const size = Math.ceil(items.length / Math.ceil(items.length / most));
    const parts = [];
    for (let first = 0; first < items.length; first += size) parts.push(items.slice(first, first + size));
    return parts;
  }

  /**
   * To be called with the time of a claim that took rows: about what any statement costs here that writes, however little.
   * Where a commit is slow, smaller writes would only be more of them.
   */
  claimed(milliseconds: number): void {
    this.#claimMs += WEIGHT * (milliseconds - this.#claimMs);
  }

  /** To be called with the time of a write. A write of few rows says little of what one row costs. */
  wrote(rows: number, milliseconds: number): void {
    if (rows < FEWEST_ROWS / 2) return;
    const msPerRow = Math.max(0, milliseconds - this.#claimMs) / rows;
    this.#msPerRow =
      this.#msPerRow === undefined ? msPerRow : this.#msPerRow + WEIGHT * (msPerRow - this.#msPerRow);
  }
}

/** Texts and their vectors in parts that are written one by one: the rows of one text may be in several. */
export function partsOf(
  size: WriteSize,
  texts: readonly UniqueText[],
  vectors: VectorArray,
): { readonly texts: readonly UniqueText[]; readonly vectors: VectorArray }[] {
  const rows = texts.flatMap(({ tickets }, position) => tickets.map((ticket) => ({ ticket, position })));
  return size.cut(rows).map((part) => {
    const first = part[0]?.position ?? 0;
    const end = (part.at(-1)?.position ?? 0) + 1;
    const own = texts.slice(first, end).map((text) => ({ ...text, tickets: [] as string[] }));
    for (const { ticket, position } of part) own[position - first]?.tickets.push(ticket);
    return { texts: own, vectors: vectors.slice(first, end) };
  });
}
