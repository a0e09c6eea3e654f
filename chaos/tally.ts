/** Counts by name, in the order in which the names first appeared. */
export class Tally {
  readonly #counts = new Map<string, number>();

  add(name: string, amount = 1): void {
    this.#counts.set(name, this.get(name) + amount);
  }

  get(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  get total(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }

  toString(): string {
    const counts = [...this.#counts].map(([name, count]) => `${name} ${count}`);
    return counts.length === 0 ? "none" : counts.join(", ");
  }
}
