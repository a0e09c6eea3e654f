import type { Database } from "../database/connect.ts";
import { dropReservations, type Reservation } from "./drop-reservations.ts";
import { vacuumReservations } from "./vacuum-reservations.ts";

/** A claim looks for a vector before it looks for a reservation, so a late drop delays nothing: drops are batched. */
const DROP_AFTER_MS = 100;
/** Rows that were dropped, after which their table is vacuumed: it stays at a few megabytes, for some milliseconds each time. */
const VACUUM_AFTER = 4_000;

/** A claimed row, whose text is reserved where it is `new`. */
interface Reserving {
  readonly ticket: string;
  readonly state?: string;
  readonly text_hash?: string | null;
}

/**
 * The texts that this process has reserved for one source: each until the last row that was claimed for it has ended.
 * One that cannot be dropped now is dropped with the next.
 */
export class Reservations {
  readonly #db: Database;
  readonly #cacheModel: string;
  readonly #texts = new Map<string, Reservation & { rows: number }>();
  /** Ticket to hash. */
  readonly #rows = new Map<string, string>();
  #ended: Reservation[] = [];
  #dropped = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(db: Database, cacheModel: string) {
    this.#db = db;
    this.#cacheModel = cacheModel;
  }

  /** Reservations that have ended here and still stand in the database. */
  get ended(): number {
    return this.#ended.length;
  }

  /** @param rows of one claim, in the order of their tickets: a text is reserved by the first that has it. */
  add(rows: readonly Reserving[]): void {
    for (const { ticket, state, text_hash } of rows) {
      // A row that was freed while this process still held it, and claimed again, is here already.
      if (state !== "new" || text_hash === undefined || text_hash === null || this.#rows.has(ticket))
        continue;
      const text = this.#texts.get(text_hash);
      if (text === undefined) this.#texts.set(text_hash, { hash: text_hash, ticket, rows: 1 });
      else text.rows++;
      this.#rows.set(ticket, text_hash);
    }
  }

  /** Rows of a claim that were not added: what was reserved for them alone is dropped soon. */
  forgo(rows: readonly Reserving[]): void {
    for (const { ticket, state, text_hash: hash } of rows)
      if (state === "new" && typeof hash === "string" && !this.#texts.has(hash))
        this.#ended.push({ hash, ticket });
    this.#dropSoon();
  }

  /** These rows have ended; the reservations of their texts are dropped soon. */
  end(tickets: readonly string[]): void {
    for (const ticket of tickets) {
      const hash = this.#rows.get(ticket);
      const text = hash === undefined ? undefined : this.#texts.get(hash);
      this.#rows.delete(ticket);
      if (text === undefined || --text.rows > 0) continue;
      this.#texts.delete(text.hash);
      this.#ended.push(text);
    }
    this.#dropSoon();
  }

  #dropSoon(): void {
    if (this.#ended.length > 0) this.#timer ??= setTimeout(() => void this.#dropQuietly(), DROP_AFTER_MS);
  }

  /** Drops now what has ended. @throws when the database does not answer */
  async drop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const ended = this.#ended;
    if (ended.length === 0) return;
    this.#ended = [];
    try {
      await dropReservations(this.#db, this.#cacheModel, ended);
      this.#dropped += ended.length;
    } catch (error) {
      this.#ended.push(...ended);
      throw error;
    }
  }

  async #dropQuietly(): Promise<void> {
    await this.drop()
      .then(() => this.#vacuumIfDue())
      .catch(() => undefined);
  }

  async #vacuumIfDue(): Promise<void> {
    if (this.#dropped < VACUUM_AFTER) return;
    this.#dropped = 0;
    await vacuumReservations(this.#db);
  }
}
