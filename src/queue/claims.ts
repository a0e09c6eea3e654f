import type { Database } from "../database/connect.ts";
import { mayBeCommitted } from "../database/database-fault.ts";
import type { Events, FailureKind } from "../events.ts";
import type { Source } from "../sources/source.ts";
import type { ClaimRange } from "./claim.ts";
import { ClaimCursor, type ClaimedBatch, type Cursor } from "./claim-cursor.ts";
import { TenantCursor } from "./tenant-cursor.ts";
import { HeldPages, type HeldPage } from "../pages/held-pages.ts";
import type { TakenPage, Taker } from "../pages/take-page.ts";
import { columnsOf } from "../sources/key-order.ts";
import { fail, failPaged } from "./fail.ts";
import { HeldClaims, type Claimed, type OwnedRow } from "./held-claims.ts";
import { giveNewTickets, release } from "./release.ts";
import { separateByTicket } from "./shared-tickets.ts";
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

interface Failure {
  readonly kind: FailureKind;
  readonly reason: string;
}

/** How long a row that a user's transaction holds is left alone: long enough not to spin, short enough to follow its commit. */
export const LOCKED_DELAY_MS = 250;

/** How long a row is left alone that the database could not mark as failed: it would be sent, and paid for, once more. */
const UNFAILED_DELAY_MS = 10_000;

/** How rows of a backfill are claimed. */
interface PagedClaim<Row> {
  readonly limit: number;
  readonly take: (taker: Taker) => Promise<TakenPage | undefined>;
  /** Up to `limit` rows from the page's position on; fewer mean that there are no more. */
  readonly read: (page: HeldPage) => Promise<Row[]>;
}

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
  readonly #cursor: Cursor;
  readonly #pages: HeldPages;
  /** By ticket. */
  readonly #unreleased = new Map<string, OwnedRow>();
  #releasedRows = 0;
  #awaitingReply = 0;

  constructor(options: ClaimsOptions) {
    this.#options = options;
    const { db, source } = options;
    this.#cursor = source.hasTenants ? new TenantCursor(db, source) : new ClaimCursor(db, source);
    this.#pages = new HeldPages(options.db, options.source, options.onReleased);
  }

  /** Rows that are claimed and not ended yet. */
  get held(): Pick<HeldClaims, "size" | "agesOf" | "rowOf" | "pagedOf" | "empty"> {
    return this.#held;
  }

  /** Whether any row or page is held that was claimed under that id. */
  hasOwner(owner: number): boolean {
    return this.#held.hasOwner(owner) || this.#pages.hasOwner(owner);
  }

  /** Claims that were sent and have no reply yet: what they will own is not known. */
  get awaitingReply(): number {
    return this.#awaitingReply;
  }

  /** Rows that were released, since the beginning. */
  get released(): number {
    return this.#releasedRows;
  }

  /** Pages that are held; claims, pages and reservations that have ended here and still stand in the database. */
  get unreleased(): number {
    return this.#unreleased.size + this.#pages.size + (this.#options.reservations?.ended ?? 0);
  }

  /** Claims up to `limit` rows by a statement such as `claim`. @throws what the statement throws */
  async claim<Row extends Claimed>(
    limit: number,
    statement: (range: ClaimRange) => Promise<Row[]>,
  ): Promise<ClaimedBatch<Row>> {
    return await this.#claiming(async (owner) => {
      const { rows, isFull } = await this.#cursor.next(limit, (range) => statement({ ...range, owner }));
      const { own, shared } = separateByTicket(rows, (ticket) => this.#keyOf(ticket));
      this.#hold(own, owner);
      if (shared.length > 0) await this.#giveNewTickets(shared, owner);
      return { rows: own, isFull };
    });
  }

  /** The key of the row that is held under that ticket, or is not released yet. */
  #keyOf(ticket: string): string | undefined {
    return this.#held.keyOf(ticket) ?? this.#unreleased.get(ticket)?.key;
  }

  /** Never throws: rows that keep the ticket of another row are released with the id that they were claimed under. */
  async #giveNewTickets(rows: readonly Claimed[], owner: number): Promise<void> {
    const { db, source, claimant, reservations, onReleased } = this.#options;
    reservations?.forgo(rows);
    const keys = [...new Set(rows.map(({ key }) => key))];
    const areFree = await giveNewTickets(db, source, keys, owner).catch(() => false);
    if (areFree) onReleased(0);
    else claimant.claimOutcomeUnknown(owner);
  }

  /**
   * Claims rows of the source's backfill: of the page that is being read, or of another one. Fewer than the limit mean
   * that this page has no more; `isDrained` means that no page can be taken now. @throws what the statements throw
   */
  async claimPaged<Row extends Claimed>(
    claim: PagedClaim<Row>,
  ): Promise<{ readonly rows: Row[]; readonly isDrained: boolean }> {
    return await this.#claiming(async (owner) => {
      const page = this.#pages.unread ?? (await this.#take(claim, owner));
      if (page === undefined || page.isRead) return { rows: [], isDrained: true };
      const rows = await claim.read(page);
      this.#hold(rows, page.owner, page.id);
      const last = rows.length < claim.limit ? undefined : rows.at(-1);
      this.#pages.read(
        page,
        rows.length,
        last === undefined ? null : columnsOf(this.#options.source, last.key),
      );
      return { rows, isDrained: false };
    });
  }

  async #take<Row>({ take }: PagedClaim<Row>, owner: number): Promise<HeldPage | undefined> {
    const { ids: held, isAmongCurrent } = this.#pages;
    const taken = await take({ owner, held, isAmongCurrent });
    return taken === undefined ? undefined : this.#pages.add(taken, owner);
  }

  #hold(rows: readonly Claimed[], owner: number, page?: string): void {
    const { events, reservations, source } = this.#options;
    this.#held.add(rows, owner, page);
    reservations?.add(rows);
    if (rows.length > 0) events.emit("claimed", { source: source.name, rows: rows.length });
  }

  async #claiming<T>(statements: (owner: number) => Promise<T>): Promise<T> {
    const { claimant } = this.#options;
    const owner = await claimant.id();
    this.#awaitingReply++;
    try {
      return await statements(owner);
    } catch (error) {
      if (mayBeCommitted(error)) claimant.claimOutcomeUnknown(owner);
      throw error;
    } finally {
      this.#awaitingReply--;
    }
  }

  /** The statement that completed or failed these rows has committed: they are no longer held. */
  ended(tickets: readonly string[]): void {
    this.#end(tickets, true);
  }

  /** Marks rows as failed for a fault of their own. Never throws: a row that cannot be failed now is pending again. */
  async fail(tickets: readonly string[], { kind, reason }: Failure): Promise<void> {
    if (tickets.length === 0) return;
    const { db, events, source } = this.#options;
    const paged = this.#held.pagedOf(tickets);
    const claimed = [...this.#held.claimsOf(tickets).values()];
    const outcomes = await Promise.allSettled([
      paged.length === tickets.length ? [] : fail(db, source, claimed, ownersOf(claimed), reason),
      paged.length === 0 ? [] : failPaged(db, source, paged, reason),
    ]);
    const failed = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? outcome.value : []));
    this.ended(failed);
    if (failed.length > 0) events.emit("failed", { source: source.name, rows: failed.length, kind, reason });
    // What did not fail is still held here.
    const delayMs = outcomes.some(({ status }) => status === "rejected") ? UNFAILED_DELAY_MS : 0;
    if ((await this.#endAsPending(tickets, delayMs)) > 0) this.#options.onReleased(delayMs);
  }

  /**
   * Makes those of the rows that are still held pending again. Never throws.
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

  /** Releases what is still held, and gives back the pages. */
  async releaseAll(): Promise<void> {
    await this.#endAsPending(this.#held.tickets, 0);
    await this.#pages.close();
  }

  /** Tries again what could not be released. @throws when the database does not answer */
  async retryReleases(): Promise<void> {
    await this.#options.reservations?.drop();
    await this.#pages.retry();
    if (this.#unreleased.size === 0) return;
    const before = this.#unreleased.size;
    await this.#release([...this.#unreleased.values()], 0);
    if (this.#unreleased.size < before) this.#options.onReleased(0);
  }

  async #endAsPending(tickets: readonly string[], delayMs: number): Promise<number> {
    const claims = this.#held.claimsOf(tickets);
    if (claims.size === 0) return 0;
    const held = [...claims.keys()];
    for (const { ticket } of this.#held.pagedOf(held)) claims.delete(ticket);
    for (const [ticket, claim] of claims) this.#unreleased.set(ticket, claim);
    this.#end(held, false);
    this.#releasedRows += held.length;
    // First, or the listener that claims these rows next would find their texts reserved.
    await this.#options.reservations?.drop().catch(() => undefined);
    if (claims.size > 0) await this.#release([...claims.values()], delayMs).catch(() => undefined);
    return held.length;
  }

  /** @param given may name a ticket twice: tables that inherit from the watched one may have its key again. */
  #end(given: readonly string[], isDone: boolean): void {
    const tickets = [...new Set(given)];
    const paged = this.#held.pagedOf(tickets);
    this.#held.remove(tickets);
    this.#options.reservations?.end(tickets);
    for (const { page } of paged) this.#pages.rowEnded(page, isDone);
    const { events, source } = this.#options;
    if (isDone && paged.length > 0) events.emit("paged", { source: source.name, rows: paged.length });
  }

  async #release(rows: readonly OwnedRow[], delayMs: number): Promise<void> {
    const { db, source } = this.#options;
    const released = await release(db, source, rows, ownersOf(rows), delayMs);
    for (const ticket of released) this.#unreleased.delete(ticket);
  }
}

function ownersOf(rows: readonly OwnedRow[]): number[] {
  return [...new Set(rows.map(({ owner }) => owner))];
}
