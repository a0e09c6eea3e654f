import { setTimeout as delay } from "node:timers/promises";
import { sql } from "kysely";
import type { Database } from "../database/connect.ts";

/** Changes that keep coming for this long make NOTIFY a waste: the listener looks by itself until none comes any more. */
const BUSY_AFTER_MS = 100;
/** Those that come this far apart do not: one after the other is notified, and found at once. */
const APART_MS = 30;
/** How often it looks: a claim of every source, so that more of them are looked at less often. */
const LOOK_MS = 50;
const LOOK_MS_A_SOURCE = 10;
const LONGEST_PAUSE_MS = 1_000;

export interface NotifyGateOptions {
  readonly db: Database;
  /** The listener's rows in `embedding_listener`. */
  readonly ids: () => readonly number[];
  /** Wakes every source. */
  readonly look: () => void;
  /** Whether any source is being claimed from, or waits to be. */
  readonly isDraining: () => boolean;
  /** How many there are. */
  readonly sources: () => number;
}

/**
 * Tells the triggers whether to NOTIFY: every NOTIFY takes a server-wide lock at commit (8 committers: 11,400 tps
 * without, 4,300 with).
 *
 *   idle ──claims for long──▶ busy ──nothing comes──▶ idle is committed; S = pg_current_xact_id()
 *    ▲                       looks                         │ look at the queue, until every transaction older than S has ended
 *    └─────────────────────────────────────────────────────┘
 *
 * Answers that are awaited are no reason to be busy: a change must not wait for those of others.
 *
 * "Idle" is always safe to say. A transaction that read "busy" before it changed is older than S; once it has ended,
 * one more look finds what it queued. Without that wait wake-ups are lost (43 of 600).
 */
export class NotifyGate {
  readonly #options: NotifyGateOptions;
  #idle = true;
  /** Undefined while nothing comes. */
  #busySince: number | undefined;
  #workedAt = 0;
  #watching = false;
  #changing = false;

  constructor(options: NotifyGateOptions) {
    this.#options = options;
  }

  /** Something was claimed: after a while of this, changes need not notify. */
  onClaimed(): void {
    this.#workedAt = performance.now();
    this.#busySince ??= this.#workedAt;
    if (!this.#watching) void this.#watch();
    if (!this.#idle || this.#changing || this.#workedAt - this.#busySince < BUSY_AFTER_MS) return;
    this.#change(() => this.#say(false));
  }

  /** Nothing is due: from now on, changes notify. */
  onDrained(): void {
    this.#busySince = undefined;
    if (this.#idle || this.#changing) return;
    this.#change(async () => {
      await this.#say(true);
      await this.#lookUntilNobodyIsOlder();
    });
  }

  /** Says nothing more. */
  stop(): void {
    this.#busySince = undefined;
  }

  /** Until it rests: looks while changes do not notify, and notices that none comes any more. */
  async #watch(): Promise<void> {
    this.#watching = true;
    const { isDraining, look, sources } = this.#options;
    while (this.#busySince !== undefined) {
      const pause = Math.max(LOOK_MS, LOOK_MS_A_SOURCE * sources());
      await delay(pause, undefined, { ref: false });
      // Found by a look, changes are as far apart as looks are: two must have found nothing.
      const apart = this.#idle ? APART_MS : 2.5 * pause;
      if (!isDraining() && performance.now() - this.#workedAt > apart) this.onDrained();
      else if (!this.#idle) look();
    }
    this.#watching = false;
  }

  #change(change: () => Promise<void>): void {
    this.#changing = true;
    void change().then(
      () => {
        this.#changing = false;
        // It may have ended while it was said to last.
        if (this.#busySince === undefined) this.onDrained();
      },
      // A failure leaves the state unsaid: the next drain says it again, and the poll goes on.
      () => (this.#changing = false),
    );
  }

  async #say(idle: boolean): Promise<void> {
    // Until the database is known to say "idle" it may say "busy", and this is said again.
    this.#idle = false;
    const { db, ids } = this.#options;
    await db
      .updateTable("autoembed.embedding_listener")
      .set({ idle })
      .where("id", "in", [0, ...ids()])
      .execute();
    this.#idle = idle;
  }

  async #lookUntilNobodyIsOlder(): Promise<void> {
    const { db, look } = this.#options;
    const { rows } = await sql<{ said: string }>`select pg_current_xact_id()::text as said`.execute(db);
    const said = rows[0]?.said ?? "0";
    for (let pause = 10; this.#idle; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      const older = await sql<{ ended: boolean }>`
        select pg_snapshot_xmin(pg_current_snapshot()) >= ${said}::text::xid8 as ended`.execute(db);
      look();
      if (older.rows[0]?.ended === true) return;
      await delay(pause, undefined, { ref: false });
    }
  }
}
