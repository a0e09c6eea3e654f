import type { Database } from "../database/connect.ts";
import { fail } from "./fail.ts";
import { release } from "./release.ts";
import type { Source } from "../sources/source.ts";
import { ReservationLedger, type Reserving } from "./reservation-ledger.ts";

/** A row as it is claimed. */
export type Claimed = Reserving & {
  readonly ctid: string;
  /** Milliseconds since the change was made, by the server's clock. */
  readonly age_ms: number;
};

/** Where no row is: of a row that is not held any more. */
const NOWHERE = "(0,0)";

interface Held {
  readonly ctid: string;
  /** When its change was made, on this process's own clock. */
  readonly queuedAt: number;
  /** The id that it was claimed under. */
  readonly owner: number;
}

/**
 * The rows that this process has claimed of one source. Every claim ends as done, failed or released; one that cannot
 * be ended now, because a user holds its queue row or the database is away, is released again and again until it is.
 */
export class ClaimLedger {
  readonly #db: Database;
  readonly #source: Source;
  readonly #held = new Map<string, Held>();
  readonly #waiting: (() => void)[] = [];
  /** Ticket to owner. */
  readonly #stranded = new Map<string, number>();
  readonly #reservations: ReservationLedger;
  /** Claims whose answers are not there yet. */
  #unanswered = 0;

  /** @param cacheModel whose texts may be reserved by what is claimed; empty where none are. */
  constructor(db: Database, source: Source, cacheModel: string) {
    this.#db = db;
    this.#source = source;
    this.#reservations = new ReservationLedger(db, cacheModel);
  }

  get size(): number {
    return this.#held.size;
  }

  /** Claims that were asked for: what they come to own is not known yet. */
  get unanswered(): number {
    return this.#unanswered;
  }

  /** Claims and reservations that have ended here and still stand in the database. */
  get stranded(): number {
    return this.#stranded.size + this.#reservations.ended;
  }

  /** Whether anything that was claimed under that id is still held. */
  holds(owner: number): boolean {
    return [...this.#held.values()].some((held) => held.owner === owner);
  }

  /** Milliseconds from the change to now, for each of the tickets. */
  ages(tickets: readonly string[]): number[] {
    const now = performance.now();
    return tickets.flatMap((ticket) => {
      const held = this.#held.get(ticket);
      return held === undefined ? [] : [now - held.queuedAt];
    });
  }

  /** Where the queue's row of each ticket is. */
  ctids(tickets: readonly string[]): string[] {
    return tickets.map((ticket) => this.#held.get(ticket)?.ctid ?? NOWHERE);
  }

  /** Makes a claim under that id, and holds its rows. @throws whatever `claim` does */
  async make<Row extends Claimed>(owner: number, claim: (owner: number) => Promise<Row[]>): Promise<Row[]> {
    this.#unanswered++;
    try {
      const rows = await claim(owner);
      this.#add(rows, owner);
      return rows;
    } finally {
      this.#unanswered--;
    }
  }

  #add(rows: readonly Claimed[], owner: number): void {
    const now = performance.now();
    for (const { ticket, ctid, age_ms } of rows)
      this.#held.set(ticket, { ctid, queuedAt: now - age_ms, owner });
    this.#reservations.add(rows);
  }

  done(tickets: readonly string[]): void {
    for (const ticket of tickets) this.#held.delete(ticket);
    this.#reservations.end(tickets);
    if (this.#held.size > 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Resolves when every claim has ended. */
  async ended(): Promise<void> {
    while (this.#held.size > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Gives rows up for a fault of their own. Never throws: what cannot be given up now goes back to pending. @returns how many. */
  async fail(tickets: readonly string[], reason: string): Promise<number> {
    const failed = await fail(this.#db, this.#source, tickets, reason).catch(() => []);
    this.done(failed);
    await this.release(tickets, 0);
    return failed.length;
  }

  /** Puts back to pending those that are still claimed. Never throws: what cannot be released now is tried again by `releaseStranded`. */
  async release(tickets: readonly string[], delayMs: number): Promise<number> {
    const releasing = new Map<string, number>();
    for (const ticket of tickets) {
      const held = this.#held.get(ticket);
      if (held !== undefined) releasing.set(ticket, held.owner);
    }
    if (releasing.size === 0) return 0;
    for (const [ticket, owner] of releasing) this.#stranded.set(ticket, owner);
    this.done([...releasing.keys()]);
    // First, so that whoever claims the rows next may embed them.
    await this.#reservations.drop().catch(() => undefined);
    await this.#release(releasing, delayMs).catch(() => undefined);
    return releasing.size;
  }

  /** @throws when the database does not answer */
  async releaseStranded(): Promise<void> {
    await this.#reservations.drop();
    if (this.#stranded.size > 0) await this.#release(new Map(this.#stranded), 0);
  }

  /** @returns how many were still claimed. */
  async releaseAll(): Promise<number> {
    return this.release([...this.#held.keys()], 0);
  }

  async #release(tickets: ReadonlyMap<string, number>, delayMs: number): Promise<void> {
    const owners = [...new Set(tickets.values())];
    const released = await release(this.#db, this.#source, [...tickets.keys()], owners, delayMs);
    for (const ticket of released) this.#stranded.delete(ticket);
  }
}
