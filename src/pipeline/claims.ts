import type { Database } from "../database/connect.ts";
import { fail } from "../queue/fail.ts";
import { release } from "../queue/release.ts";
import type { ClaimedRow } from "../queue/claim.ts";
import type { Source } from "../sources/source.ts";

/**
 * The rows that this process has claimed of one source. Every claim ends as done, failed or released; one that cannot
 * be ended now, because a user holds its queue row or the database is away, is released again and again until it is.
 */
export class Claims {
  readonly #db: Database;
  readonly #source: Source;
  /** Ticket to when its change was made, on this process's own clock. */
  readonly #held = new Map<string, number>();
  readonly #waiting: (() => void)[] = [];
  readonly #stranded = new Set<string>();

  constructor(db: Database, source: Source) {
    this.#db = db;
    this.#source = source;
  }

  get size(): number {
    return this.#held.size;
  }

  /** Milliseconds from the change to now, for each of the tickets. */
  ages(tickets: readonly string[]): number[] {
    const now = performance.now();
    return tickets.flatMap((ticket) => {
      const queuedAt = this.#held.get(ticket);
      return queuedAt === undefined ? [] : [now - queuedAt];
    });
  }

  add(rows: readonly ClaimedRow[]): void {
    const now = performance.now();
    for (const row of rows) this.#held.set(row.ticket, now - row.age_ms);
  }

  done(tickets: readonly string[]): void {
    for (const ticket of tickets) this.#held.delete(ticket);
    if (this.#held.size > 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Resolves when every claim has ended. */
  async ended(): Promise<void> {
    while (this.#held.size > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Gives rows up for a fault of their own. @returns how many. */
  async fail(tickets: readonly string[], reason: string): Promise<number> {
    const failed = await fail(this.#db, this.#source, tickets, reason);
    this.done(failed);
    await this.release(this.#stillHeld(tickets), 0);
    return failed.length;
  }

  /** Puts back to pending those that are still claimed. Never throws: what cannot be released now is tried again by `releaseStranded`. */
  async release(tickets: readonly string[], delayMs: number): Promise<number> {
    const held = this.#stillHeld(tickets);
    if (held.length === 0) return 0;
    for (const ticket of held) this.#stranded.add(ticket);
    this.done(held);
    await this.#release(held, delayMs).catch(() => undefined);
    return held.length;
  }

  async releaseStranded(): Promise<void> {
    if (this.#stranded.size > 0) await this.#release([...this.#stranded], 0);
  }

  /** @returns how many were still claimed. */
  async releaseAll(): Promise<number> {
    return this.release([...this.#held.keys()], 0);
  }

  #stillHeld(tickets: readonly string[]): string[] {
    return tickets.filter((ticket) => this.#held.has(ticket));
  }

  async #release(tickets: readonly string[], delayMs: number): Promise<void> {
    for (const ticket of await release(this.#db, this.#source, tickets, delayMs))
      this.#stranded.delete(ticket);
  }
}
