import type { Database } from "../database/connect.ts";
import type { Source } from "../sources/source.ts";
import { RESET_MS, type Claim, type ClaimedBatch, type Cursor, type CursorRow } from "./claim-cursor.ts";
import { FreshTail } from "./fresh-tail.ts";

/** Tenants whose heads are kept, those of the latest turns: the rows of one that has had none for long are few. */
const MOST_HEADS = 256;

/**
 * The range that the next claim reads of a source with tenants: `ClaimCursor` with a head for each of them, and the tenant
 * whose turn was last. Several listeners have a cursor each, and skip what the others claim.
 */
export class TenantCursor implements Cursor {
  readonly #tail: FreshTail;
  readonly #heads = new Map<number, bigint>();
  #headsReset = 0;
  #start = 0;
  /** For the rows without a tenant. */
  #head = 0n;

  constructor(db: Database, source: Source) {
    this.#tail = new FreshTail(db, source);
  }

  async next<Row extends CursorRow>(limit: number, claim: Claim<Row>): Promise<ClaimedBatch<Row>> {
    const now = performance.now();
    if (now - this.#headsReset > RESET_MS) this.#resetHeads(now);
    const tail = await this.#tail.ticket();
    const tenants = { start: this.#start, heads: [...this.#heads].sort(([one], [other]) => one - other) };
    const rows = await claim({ limit, head: this.#head, tail, tenants });
    const fresh = rows.map(({ ticket }) => BigInt(ticket)).filter((ticket) => ticket > tail);
    // The claim takes no more than half of its rows from those.
    const areMany = fresh.length === Math.ceil(limit / 2);
    for (const row of rows) if (BigInt(row.ticket) <= tail) this.#hadTurn(row);
    this.#head = headAfter(this.#head, rows, tail);
    this.#start = lastInTurn(tenants.start, rows, tail);
    const isFull = rows.length === limit || areMany || rows[0]?.is_more === true;
    if (!isFull) this.#resetHeads(now);
    await this.#tail.claimed(fresh, areMany);
    return { rows, isFull };
  }

  #hadTurn({ ticket, tenant }: CursorRow): void {
    if (typeof tenant !== "number") return;
    const head = this.#heads.get(tenant) ?? 0n;
    // The last to be set is the last in the map's order.
    this.#heads.delete(tenant);
    this.#heads.set(tenant, BigInt(ticket) > head ? BigInt(ticket) : head);
    const [oldest] = this.#heads.keys();
    if (this.#heads.size > MOST_HEADS && oldest !== undefined) this.#heads.delete(oldest);
  }

  #resetHeads(now: number): void {
    this.#heads.clear();
    this.#head = 0n;
    this.#headsReset = now;
  }
}

/** Of the rows without a tenant that a claim has found, those that it has not taken are above the last that it has. */
function headAfter(head: bigint, rows: readonly CursorRow[], tail: bigint): bigint {
  const unnamed = rows.filter(({ ticket, tenant }) => tenant === null && BigInt(ticket) <= tail);
  const last = unnamed.length > 0 ? unnamed.map(({ ticket }) => ticket) : [rows[0]?.looked_up_to ?? "0"];
  return last.map(BigInt).reduce((one, other) => (one > other ? one : other), head);
}

/** Turns go up from the tenant after `start`, and then from the lowest up to it. */
function lastInTurn(start: number, rows: readonly CursorRow[], tail: bigint): number {
  const tenants = rows.flatMap(({ ticket, tenant }) =>
    typeof tenant === "number" && BigInt(ticket) <= tail ? [tenant] : [],
  );
  const wrapped = tenants.filter((tenant) => tenant <= start);
  return tenants.length === 0 ? start : Math.max(...(wrapped.length > 0 ? wrapped : tenants));
}
