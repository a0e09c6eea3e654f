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

  /** In parts of about one size. */
  cut<T>(items: readonly T[]): (readonly T[])[] {
    const most =
      this.#msPerRow === undefined ? FIRST_ROWS : Math.max(FEWEST_ROWS, TARGET_MS / this.#msPerRow);
    const size = Math.ceil(items.length / Math.ceil(items.length / most));
    const parts = [];
    for (let first = 0; first < items.length; first += size) parts.push(items.slice(first, first + size));
    return parts;
  }

  /** A write of few rows tells little: most of its time is the statement's. */
  learn(rows: number, milliseconds: number): void {
    if (rows < FEWEST_ROWS / 2) return;
    const msPerRow = milliseconds / rows;
    this.#msPerRow =
      this.#msPerRow === undefined ? msPerRow : this.#msPerRow + WEIGHT * (msPerRow - this.#msPerRow);
  }
}
