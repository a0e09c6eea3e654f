import type { Database } from "../database/connect.ts";
import type { Events } from "../events.ts";
import { addSpent, type Spent } from "../ledger/spending.ts";

/** Adds up what the answers cost, until `flush` adds it to `embedding_spending`. */
export class UnwrittenSpending {
  readonly #spent = new Map<string, Spent>();
  readonly #beingWritten = new Set<Spent>();

  constructor(events: Events) {
    events.on("answered", ({ source, model, purpose, tokens, cost }) => {
      this.#add({ source, model, purpose, requests: 1, tokens, cost });
    });
  }

  /** Writes what was spent since the last call. What cannot be written now is written by the next call. */
  async flush(db: Database): Promise<void> {
    for (const [name, spent] of [...this.#spent]) {
      if (this.#spent.get(name) !== spent) continue;
      this.#spent.delete(name);
      this.#beingWritten.add(spent);
      try {
        await addSpent(db, spent);
      } catch (error) {
        this.#add(spent);
        throw error;
      } finally {
        this.#beingWritten.delete(spent);
      }
    }
  }

  /**
   * The money of a source's backfill that may not be in the database yet. To be asked for before the database is: some of it
   * may count twice then, and none is missed.
   */
  unwrittenOf(name: string): number {
    const backfills = [...this.#spent.values(), ...this.#beingWritten].filter(
      ({ source, purpose }) => source === name && (purpose === "backfill" || purpose === "model change"),
    );
    return backfills.reduce((sum, { cost }) => sum + (cost ?? 0), 0);
  }

  #add(spent: Spent): void {
    const { source, model, purpose, cost } = spent;
    const name = JSON.stringify([source, model, purpose, cost === undefined]);
    const before = this.#spent.get(name);
    this.#spent.set(name, {
      ...spent,
      requests: spent.requests + (before?.requests ?? 0),
      tokens: spent.tokens + (before?.tokens ?? 0),
      cost: cost === undefined ? undefined : cost + (before?.cost ?? 0),
    });
  }
}
