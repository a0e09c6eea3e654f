import type { Database } from "../database/connect.ts";
import type { ClaimRange } from "./claim.ts";
import type { Source } from "../sources/source.ts";
import { FreshTail } from "./fresh-tail.ts";

/** A statement that claims, such as `claim`, over a range of tickets. */
export type Claim<Row> = (range: Omit<ClaimRange, "owner">) => Promise<Row[]>;

export interface ClaimedBatch<Row> {
  readonly rows: readonly Row[];
  /** There may be more rows that are due. */
  readonly isFull: boolean;
}

/** A row as a claim gives it. */
export interface CursorRow {
  readonly ticket: string;
  /** These are of a source with tenants only: see `TURN_COLUMNS`. Null of a row that was queued without a tenant. */
  readonly tenant?: number | null;
  readonly is_more?: boolean;
  readonly looked_up_to?: string | null;
}

export interface Cursor {
  /** Claims up to `limit` rows, from where the cursor is. */
  next<Row extends CursorRow>(limit: number, claim: Claim<Row>): Promise<ClaimedBatch<Row>>;
}

/** Tickets commit out of order, so a cursor may have passed one: it begins again from the start this often. */
export const RESET_MS = 3_000;

/**
 * The range of tickets that the next claim of one source reads.
 *
 * `head` walks the backlog, oldest first, so that a claim costs the same at its end as at its start. Rows above the tail
 * are fresh and go first.
 */
export class ClaimCursor implements Cursor {
  readonly #tail: FreshTail;
  #head = 0n;
  #headReset = 0;

  constructor(db: Database, source: Source) {
    this.#tail = new FreshTail(db, source);
  }

  /** Claims up to `limit` rows; fewer mean that none is due in the cursor's range: the next drain sees what was released below it. */
  async next<Row extends CursorRow>(limit: number, claim: Claim<Row>): Promise<ClaimedBatch<Row>> {
    const now = performance.now();
    if (now - this.#headReset > RESET_MS) this.#resetHead(now);
    const tail = await this.#tail.ticket();
    const rows = await claim({ limit, head: this.#head, tail });
    const tickets = rows.map(({ ticket }) => BigInt(ticket));
    const fresh = tickets.filter((ticket) => ticket > tail);
    for (const ticket of tickets) if (ticket <= tail && ticket > this.#head) this.#head = ticket;
    const isFull = rows.length === limit;
    if (!isFull) this.#resetHead(now);
    await this.#tail.claimed(fresh, fresh.length === limit);
    return { rows, isFull };
  }

  #resetHead(now: number): void {
    this.#head = 0n;
    this.#headReset = now;
  }
}
