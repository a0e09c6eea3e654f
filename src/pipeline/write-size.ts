import type { VectorArray } from "../database/vector-array.ts";
import type { UniqueText } from "./unique-text.ts";

/** How long a write should hold its rows, which users may be waiting for. */
const TARGET_MS = 250;
/** While nothing is known yet. */
const FIRST_ROWS = 32;
const FEWEST_ROWS = 16;
/** What the last write counts for, against all that were before it. */
const WEIGHT = 0.5;

/**
 * How many rows to write in one statement: all of a batch, unless rows are slow to write, as they are where an index of
 * vectors is in place (some 7 ms a row of 1536 dimensions, against 0.1). Then a batch is cut, so that nobody waits a
 * second for a row of it.
 */
export class WriteSize {
  #msPerRow: number | undefined;
  #claimMs = 0;

  /** In parts of about one size. */
  cut<T>(items: readonly T[]): (readonly T[])[] {
    const most =
      this.#msPerRow === undefined ? FIRST_ROWS : Math.max(FEWEST_ROWS, TARGET_MS / this.#msPerRow);
    const size = Math.ceil(items.length / Math.ceil(items.length / most));
    const parts = [];
    for (let first = 0; first < items.length; first += size) parts.push(items.slice(first, first + size));
    return parts;
  }

  /**
   * A claim that took rows: about what any statement costs here that writes, however little. Where a commit is slow, smaller
   * writes would only be more of them.
   */
  claimed(milliseconds: number): void {
    this.#claimMs += WEIGHT * (milliseconds - this.#claimMs);
  }

  /** A write of few rows tells little of what one costs. */
  wrote(rows: number, milliseconds: number): void {
    if (rows < FEWEST_ROWS / 2) return;
    const msPerRow = Math.max(0, milliseconds - this.#claimMs) / rows;
    this.#msPerRow =
      this.#msPerRow === undefined ? msPerRow : this.#msPerRow + WEIGHT * (msPerRow - this.#msPerRow);
  }
}

/** Pieces and their vectors in the parts that are written by themselves: rows of one text may be in several. */
export function partsOf(
  size: WriteSize,
  pieces: readonly UniqueText[],
  vectors: VectorArray,
): { readonly pieces: readonly UniqueText[]; readonly vectors: VectorArray }[] {
  const rows = pieces.flatMap(({ tickets }, position) => tickets.map((ticket) => ({ ticket, position })));
  return size.cut(rows).map((part) => {
    const first = part[0]?.position ?? 0;
    const end = (part.at(-1)?.position ?? 0) + 1;
    const own = pieces.slice(first, end).map((piece) => ({ ...piece, tickets: [] as string[] }));
    for (const { ticket, position } of part) own[position - first]?.tickets.push(ticket);
    return { pieces: own, vectors: vectors.slice(first, end) };
  });
}
