import type { Database } from "../database/connect.ts";
import type { Source } from "../sources/source.ts";
import { newestTicket } from "./counts.ts";

/** How long a row counts as fresh: longer than most transactions take to commit. */
const FRESH_MS = 2_000;

/**
 * The ticket above which the rows of a source are fresh: what was there at an earlier claim is not. When more rows come at
 * once than a claim takes of them, they are a backlog too, and the tail jumps behind them.
 */
export class FreshTail {
  readonly #db: Database;
  readonly #source: Source;
  #tail: bigint | undefined;
  #next = 0n;
  #moved = 0;

  constructor(db: Database, source: Source) {
    this.#db = db;
    this.#source = source;
  }

  async ticket(): Promise<bigint> {
    return (this.#tail ??= await newestTicket(this.#db, this.#source));
  }

  /**
   * Fresh rows were claimed.
   * @param areMany as many as a claim takes
   */
  async claimed(tickets: readonly bigint[], areMany: boolean): Promise<void> {
    for (const ticket of tickets) if (ticket > this.#next) this.#next = ticket;
    if (areMany) this.#tail = await newestTicket(this.#db, this.#source);
    else if (performance.now() - this.#moved > FRESH_MS) this.#move();
  }

  #move(): void {
    if (this.#tail !== undefined && this.#next > this.#tail) this.#tail = this.#next;
    this.#moved = performance.now();
  }
}
