import type { Database } from "../database/connect.ts";
import type { ClaimRange } from "./claim.ts";
import type { Source } from "../sources/source.ts";
import { newestTicket } from "./counts.ts";

/** A statement that claims, such as `claim`, over a range of tickets. */
type Claim<Row> = (range: Omit<ClaimRange, "owner">) => Promise<Row[]>;

/** Tickets commit out of order, so the cursor may have passed one: it begins again from the start this often. */
const RESET_MS = 3_000;
/** How long a row counts as fresh: longer than most transactions take to commit. */
const FRESH_MS = 2_000;

/**
 * The range of tickets that the next claim of one source reads.
 *
 * `head` walks the backlog, oldest first, so that a claim costs the same at its end as at its start. `tail` marks what
 * was there at an earlier claim: rows above it are fresh and go first. When more rows come at once than a batch holds, they
 * are a backlog too, and the tail jumps behind them.
 */
export class ClaimCursor {
  readonly #db: Database;
  readonly #source: Source;
  #head = 0n;
  #headReset = 0;
  #tail: bigint | undefined;
  #nextTail = 0n;
  #tailMoved = 0;

  constructor(db: Database, source: Source) {
    this.#db = db;
    this.#source = source;
  }

  /** Claims up to `limit` rows; fewer mean that none is due in the cursor's range: the next drain sees what was released below it. */
  async next<Row extends { readonly ticket: string }>(limit: number, claim: Claim<Row>): Promise<Row[]> {
    const now = performance.now();
    if (now - this.#headReset > RESET_MS) this.#resetHead(now);
    this.#tail ??= await newestTicket(this.#db, this.#source);
    const tail = this.#tail;
    const rows = await claim({ limit, head: this.#head, tail });
    let fresh = 0;
    for (const row of rows) {
      const ticket = BigInt(row.ticket);
      if (ticket > tail) {
        fresh++;
        if (ticket > this.#nextTail) this.#nextTail = ticket;
      } else if (ticket > this.#head) this.#head = ticket;
    }
    if (rows.length < limit) this.#resetHead(now);
    if (fresh === limit) this.#tail = await newestTicket(this.#db, this.#source);
    else if (now - this.#tailMoved > FRESH_MS) this.#moveTail(now);
    return rows;
  }

  #resetHead(now: number): void {
    this.#head = 0n;
    this.#headReset = now;
  }

  #moveTail(now: number): void {
    if (this.#tail !== undefined && this.#nextTail > this.#tail) this.#tail = this.#nextTail;
    this.#tailMoved = now;
  }
}
