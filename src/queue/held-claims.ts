/** A row as it is claimed. */
export interface Claimed {
  readonly ticket: string;
  readonly ctid: string;
  readonly key: string;
  /** Milliseconds since the change was made, by the server's clock. */
  readonly age_ms: number;
}

interface Held {
  readonly ctid: string;
  readonly key: string;
  /** When its change was made, on this process's own clock. */
  readonly queuedAt: number;
  /** The id that it was claimed under. */
  readonly owner: number;
}

/** No row has it: stands for a row that is no longer held. */
const NO_CTID = "(0,0)";

/** The rows that this process has claimed of one source and has not ended yet, by ticket. */
export class HeldClaims {
  readonly #rows = new Map<string, Held>();
  readonly #waiting: (() => void)[] = [];

  get size(): number {
    return this.#rows.size;
  }

  get tickets(): string[] {
    return [...this.#rows.keys()];
  }

  /** Whether any row is held that was claimed under that id. */
  hasOwner(owner: number): boolean {
    return [...this.#rows.values()].some((held) => held.owner === owner);
  }

  /** Those of the tickets that are held, with the id that each was claimed under. */
  ownersOf(tickets: readonly string[]): Map<string, number> {
    const owners = new Map<string, number>();
    for (const ticket of tickets) {
      const held = this.#rows.get(ticket);
      if (held !== undefined) owners.set(ticket, held.owner);
    }
    return owners;
  }

  /** Milliseconds from the change to now, for each of the tickets that is held. */
  agesOf(tickets: readonly string[]): number[] {
    const now = performance.now();
    return tickets.flatMap((ticket) => {
      const held = this.#rows.get(ticket);
      return held === undefined ? [] : [now - held.queuedAt];
    });
  }

  /** The ctid of the queue's row, for each of the tickets. */
  ctidsOf(tickets: readonly string[]): string[] {
    return tickets.map((ticket) => this.#rows.get(ticket)?.ctid ?? NO_CTID);
  }

  /** The key of the row, for each of the tickets. */
  keysOf(tickets: readonly string[]): string[] {
    return tickets.map((ticket) => this.#rows.get(ticket)?.key ?? "");
  }

  add(rows: readonly Claimed[], owner: number): void {
    const now = performance.now();
    for (const { ticket, ctid, key, age_ms } of rows)
      this.#rows.set(ticket, { ctid, key, queuedAt: now - age_ms, owner });
  }

  remove(tickets: readonly string[]): void {
    for (const ticket of tickets) this.#rows.delete(ticket);
    if (this.#rows.size > 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Resolves when nothing is held. */
  async empty(): Promise<void> {
    while (this.#rows.size > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
