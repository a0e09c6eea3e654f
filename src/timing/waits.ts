/** The first step of a wait; each further one is twice as long. The last one, 4.9 days, takes what is longer. */
const FIRST_STEP_MS = 50;
const STEPS = 24;

/** Waits counted by length: how many there are in each step. Counts of several processes can be added up. */
export type Waits = readonly number[];

export function addWaits(counts: number[], milliseconds: readonly number[]): void {
  for (const wait of milliseconds) {
    const step = Math.ceil(Math.log2(Math.max(wait, FIRST_STEP_MS) / FIRST_STEP_MS));
    const place = Math.min(step, STEPS - 1);
    while (counts.length <= place) counts.push(0);
    counts[place] = (counts[place] ?? 0) + 1;
  }
}

/** Seconds within which that share of the waits ended, rounded up to a step; null if there were none. */
export function waitedWithin(counts: Waits, share: number): number | null {
  const total = counts.reduce((sum, rows) => sum + rows, 0);
  let within = 0;
  const place = counts.findIndex((rows) => (within += rows) >= share * total);
  return total === 0 ? null : (FIRST_STEP_MS * 2 ** place) / 1000;
}
