import type { Database } from "../database/connect.ts";
import { mayBeCommitted } from "../database/database-fault.ts";
import type { Events, FailureKind } from "../events.ts";
import type { Source } from "../sources/source.ts";
import type { ClaimRange } from "./claim.ts";
import { ClaimCursor } from "./claim-cursor.ts";
import { fail } from "./fail.ts";
import { HeldClaims, type Claimed } from "./held-claims.ts";
import { release } from "./release.ts";
import type { Reservations } from "./reservations.ts";

/** The `embedding_listener.id` that rows are claimed under. */
export interface Claimant {
  id(): Promise<number>;
  /** A claim under that id got no reply: it may have been committed, or may yet be. */
  claimOutcomeUnknown(id: number): void;
}

interface ClaimsOptions {
  readonly db: Database;
  readonly source: Source;
  readonly events: Events;
  readonly claimant: Claimant;
  /** Of the texts that the claims reserve; left out where they reserve none. */
  readonly reservations?: Reservations;
  /** Called when rows were released: when that much time has passed, they can be claimed again. */
  readonly onReleased: (milliseconds: number) => void;
}

interface ClaimedBatch<Row> {
  readonly rows: readonly Row[];
  /** There may be more rows that are due. */
  readonly isFull: boolean;
}

interface Failure {
  readonly kind: FailureKind;
  readonly reason: string;
}

/** How long a row that a user's transaction holds is left alone: long enough not to spin, short enough to follow its commit. */
export const LOCKED_DELAY_MS = 250;

/**
 * What this process has claimed of one source: the only place that claims, releases or fails its rows, each of which is
 * also an event.
 *
 *   claim ──▶ held ──complete──▶ (ended)
 *              ├──fail─────────▶ (ended); a row that cannot be failed now is released
 *              └──release──────▶ (ended), or unreleased: a user holds its queue row, or the database is away.
 *                                `retryReleases` tries those again until they are released
 */
export class Claims {
  readonly #options: ClaimsOptions;
  readonly #held = new HeldClaims();
  readonly #cursor: ClaimCursor;
  /** Ticket to owner. */
  readonly #unreleased = new Map<string, number>();
  #awaitingReply = 0;

  constructor(options: ClaimsOptions) {
    this.#options = options;
    this.#cursor = new ClaimCursor(options.db, options.source);
  }

  /** Rows that are claimed and not ended yet. */
  get held(): Pick<HeldClaims, "size" | "hasOwner" | "agesOf" | "ctidsOf" | "keysOf" | "empty"> {
    return this.#held;
  }

  /** Claims that were sent and have no reply yet: what they will own is not known. */
  get awaitingReply(): number {
    return this.#awaitingReply;
  }

  /** Claims and reservations that have ended here and still stand in the database. */
  get unreleased(): number {
    return this.#unreleased.size + (this.#options.reservations?.ended ?? 0);
  }

  /** Claims up to `limit` rows by a statement such as `claim`. @throws what the statement throws */
  async claim<Row extends Claimed>(
    limit: number,
    statement: (range: ClaimRange) => Promise<Row[]>,
  ): Promise<ClaimedBatch<Row>> {
    const { claimant, events, reservations, source } = this.#options;
    const owner = await claimant.id();
    this.#awaitingReply++;
    try {
      const rows = await this.#cursor.next(limit, (range) => statement({ ...range, owner }));
      this.#held.add(rows, owner);
      reservations?.add(rows);
      if (rows.length > 0) events.emit("claimed", { source: source.name, rows: rows.length });
      return { rows, isFull: rows.length === limit };
    } catch (error) {
      if (mayBeCommitted(error)) claimant.claimOutcomeUnknown(owner);
      throw error;
    } finally {
      this.#awaitingReply--;
    }
  }

  /** These rows have left the queue. */
  complete(tickets: readonly string[]): void {
    this.#held.remove(tickets);
    this.#options.reservations?.end(tickets);
  }

  /** Marks rows as failed for a fault of their own. Never throws: a row that cannot be failed now is pending again. */
  async fail(tickets: readonly string[], { kind, reason }: Failure): Promise<void> {
    if (tickets.length === 0) return;
    const { db, events, source } = this.#options;
    const failed = await fail(db, source, tickets, reason).catch(() => []);
    this.complete(failed);
    if (failed.length > 0) events.emit("failed", { source: source.name, rows: failed.length, kind, reason });
    await this.#endAsPending(tickets, 0);
  }

  /**
   * Makes those of the rows that are still held pending again, no attempt counted. Never throws.
   * @param delayMs how long the claim leaves them alone.
   */
  async release(tickets: readonly string[], reason: string, delayMs: number): Promise<void> {
    const rows = await this.#endAsPending(tickets, delayMs);
    if (rows === 0) return;
    this.#options.events.emit("released", { source: this.#options.source.name, rows, reason });
    this.#options.onReleased(delayMs);
  }

  /** After a statement that skips rows which another transaction holds, or whose text has changed: releases what it skipped. */
  async releaseSkipped(tickets: readonly string[]): Promise<void> {
    await this.release(tickets, "its row is locked or has changed", LOCKED_DELAY_MS);
  }

  /** @returns how many rows were still held. */
  async releaseAll(): Promise<number> {
    return await this.#endAsPending(this.#held.tickets, 0);
  }

  /** Tries again what could not be released. @throws when the database does not answer */
  async retryReleases(): Promise<void> {
    await this.#options.reservations?.drop();
    if (this.#unreleased.size > 0) await this.#release(new Map(this.#unreleased), 0);
  }

  async #endAsPending(tickets: readonly string[], delayMs: number): Promise<number> {
    const owners = this.#held.ownersOf(tickets);
    if (owners.size === 0) return 0;
    for (const [ticket, owner] of owners) this.#unreleased.set(ticket, owner);
    this.complete([...owners.keys()]);
    // First, or the listener that claims these rows next would find their texts reserved.
    await this.#options.reservations?.drop().catch(() => undefined);
    await this.#release(owners, delayMs).catch(() => undefined);
    return owners.size;
  }

  async #release(ownersByTicket: ReadonlyMap<string, number>, delayMs: number): Promise<void> {
    const { db, source } = this.#options;
    const owners = [...new Set(ownersByTicket.values())];
    const released = await release(db, source, [...ownersByTicket.keys()], owners, delayMs);
    for (const ticket of released) this.#unreleased.delete(ticket);
  }
}
