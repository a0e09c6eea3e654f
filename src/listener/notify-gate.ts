import { setTimeout as delay } from "node:timers/promises";
import { sql } from "kysely";
import type { Database } from "../database/connect.ts";

/** Changes that keep coming for this long make NOTIFY a waste: the listener polls the queue instead, until none comes any more. */
const BUSY_AFTER_MS = 100;
/** Changes that come this far apart are better notified: each is found at once. */
const APART_MS = 30;
/**
 * The interval at which a busy listener looks for what is due, since changes do not notify: a change waits for it at most
 * once. A look is one statement: 1 ms with one source, 3 ms with a thousand.
 */
const BUSY_POLL_MS = 50;
const LONGEST_PAUSE_MS = 1_000;

export interface NotifyGateOptions {
  readonly db: Database;
  /** The listener's rows in `embedding_listener`. */
  readonly ids: () => readonly number[];
  /** Wakes the worker of every source. */
  readonly wakeAll: () => void;
  /** Wakes the workers of those sources that have something to do, by one statement. */
  readonly wakeDue: () => Promise<void>;
  /** Whether any worker claims, or waits to. */
  readonly isDraining: () => boolean;
}

/**
 * Announces to the triggers whether to NOTIFY: every NOTIFY takes a server-wide lock at commit (8 committers: 11,400 tps
 * without, 4,300 with).
 *
 *   idle ──claims for long──▶ busy ──nothing comes──▶ idle is committed; S = pg_current_xact_id()
 *    ▲                       polls                         │ look at the queue, until every transaction older than S has ended
 *    └─────────────────────────────────────────────────────┘
 *
 * Requests that are not answered yet are no reason to be busy: a change must not wait for those of others.
 *
 * "Idle" is always safe to announce. A transaction that read "busy" before it changed a row is older than S; once it has
 * ended, one more look finds what it queued. Without that wait wake-ups are lost (43 of 600).
 */
export class NotifyGate {
  readonly #options: NotifyGateOptions;
  /** What the database is known to say. */
  #announcedIdle = true;
  /** When claims began to come one upon the other; undefined while they do not. */
  #busySince: number | undefined;
  #claimedAt = -Infinity;
  #isWatching = false;
  #isChanging = false;

  constructor(options: NotifyGateOptions) {
    this.#options = options;
  }

  /** Whether "idle" is committed, and nothing is left to look for. */
  get isSettled(): boolean {
    return this.#announcedIdle && !this.#isChanging && this.#busySince === undefined;
  }

  /** Something was claimed: when that goes on for a while, changes need not notify. */
  onClaimed(): void {
    this.#claimedAt = performance.now();
    this.#busySince ??= this.#claimedAt;
    if (!this.#isWatching) void this.#watch();
    if (!this.#announcedIdle || this.#isChanging || this.#claimedAt - this.#busySince < BUSY_AFTER_MS) return;
    this.#change(() => this.#announce(false));
  }

  /** Nothing is due: from now on, changes notify. */
  onDrained(): void {
    this.#busySince = undefined;
    if (this.#announcedIdle || this.#isChanging) return;
    this.#change(async () => {
      await this.#announce(true);
      await this.#lookUntilOlderTransactionsEnd();
    });
  }

  /** Stops polling. What is being announced now may still arrive. */
  stop(): void {
    this.#busySince = undefined;
  }

  /** While busy: polls while changes do not notify, and notices when none comes any more. */
  async #watch(): Promise<void> {
    this.#isWatching = true;
    const { isDraining, wakeAll, wakeDue } = this.#options;
    while (this.#busySince !== undefined) {
      await delay(BUSY_POLL_MS, undefined, { ref: false });
      // Changes that are found by polling seem as far apart as the polls are: two polls must have found nothing.
      const apart = this.#announcedIdle ? APART_MS : 2.5 * BUSY_POLL_MS;
      if (!isDraining() && performance.now() - this.#claimedAt > apart) this.onDrained();
      // Where even a look fails, the workers do too, and say so.
      else if (!this.#announcedIdle) await wakeDue().catch(wakeAll);
    }
    this.#isWatching = false;
  }

  #change(change: () => Promise<void>): void {
    this.#isChanging = true;
    void change().then(
      () => {
        this.#isChanging = false;
        // The backlog may have drained while "busy" was still being announced.
        if (this.#busySince === undefined) this.onDrained();
      },
      // After a failure the state is not known: the next drain announces it again, and the poll goes on.
      () => (this.#isChanging = false),
    );
  }

  async #announce(idle: boolean): Promise<void> {
    // Until "idle" is known to be committed the database may say "busy", and "idle" is announced again.
    this.#announcedIdle = false;
    const { db, ids } = this.#options;
    await db
      .updateTable("autoembed.embedding_listener")
      .set({ idle })
      .where("id", "in", [0, ...ids()])
      .execute();
    this.#announcedIdle = idle;
  }

  async #lookUntilOlderTransactionsEnd(): Promise<void> {
    const { db, wakeDue } = this.#options;
    const { rows } = await sql<{ xid: string }>`select pg_current_xact_id()::text as xid`.execute(db);
    const announcedBy = rows[0]?.xid ?? "0";
    for (let pause = 10; this.#announcedIdle; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      const older = await sql<{ ended: boolean }>`
        select pg_snapshot_xmin(pg_current_snapshot()) >= ${announcedBy}::text::xid8 as ended`.execute(db);
      // A transaction of any database of the server may be open for hours: each look is one statement, for all sources.
      await wakeDue();
      if (older.rows[0]?.ended === true) return;
      await delay(pause, undefined, { ref: false });
    }
  }
}
