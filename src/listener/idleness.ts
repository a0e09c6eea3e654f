import { setTimeout as delay } from "node:timers/promises";
import { sql } from "kysely";
import type { Database } from "../database/connect.ts";

/** A drain that lasts this long makes NOTIFY a waste: the listener looks by itself until it is done. */
const BUSY_AFTER_MS = 250;
const LONGEST_LOOK_MS = 1_000;

/**
 * Tells the triggers whether to NOTIFY: every NOTIFY takes a server-wide lock at commit (8 committers: 11,400 tps
 * without, 4,300 with).
 *
 *   idle ──drains for long──▶ busy ──drained──▶ idle is committed; S = pg_current_xact_id()
 *    ▲                                               │ look at the queue, until every transaction older than S has ended
 *    └───────────────────────────────────────────────┘
 *
 * "Idle" is always safe to say. A transaction that read "busy" before it changed is older than S; once it has ended,
 * one more look finds what it queued. Without that wait wake-ups are lost (43 of 600).
 */
export class Idleness {
  readonly #db: Database;
  readonly #ids: () => readonly number[];
  readonly #look: () => void;
  #idle = true;
  /** Undefined while nothing is due. */
  #drainingSince: number | undefined;
  #changing = false;

  constructor(db: Database, ids: () => readonly number[], look: () => void) {
    this.#db = db;
    this.#ids = ids;
    this.#look = look;
  }

  /** Something was claimed: after a while of this, changes need not notify. */
  worked(): void {
    this.#drainingSince ??= performance.now();
    if (!this.#idle || this.#changing || performance.now() - this.#drainingSince < BUSY_AFTER_MS) return;
    this.#change(() => this.#say(false));
  }

  /** Nothing is due: from now on, changes notify. */
  rested(): void {
    this.#drainingSince = undefined;
    if (this.#idle || this.#changing) return;
    this.#change(async () => {
      await this.#say(true);
      await this.#lookUntilNobodyIsOlder();
    });
  }

  #change(change: () => Promise<void>): void {
    this.#changing = true;
    void change().then(
      () => {
        this.#changing = false;
        // The drain may have ended while it was said to last.
        if (this.#drainingSince === undefined) this.rested();
      },
      // A failure leaves the state unsaid: the next drain says it again, and the poll goes on.
      () => (this.#changing = false),
    );
  }

  async #say(idle: boolean): Promise<void> {
    // Until the database is known to say "idle" it may say "busy", and this is said again.
    this.#idle = false;
    await this.#db
      .updateTable("embedding_listener")
      .set({ idle })
      .where("id", "in", [0, ...this.#ids()])
      .execute();
    this.#idle = idle;
  }

  async #lookUntilNobodyIsOlder(): Promise<void> {
    const { rows } = await sql<{ said: string }>`select pg_current_xact_id()::text as said`.execute(this.#db);
    const said = rows[0]?.said ?? "0";
    for (let pause = 10; this.#idle; pause = Math.min(2 * pause, LONGEST_LOOK_MS)) {
      const older = await sql<{ ended: boolean }>`
        select pg_snapshot_xmin(pg_current_snapshot()) >= ${said}::text::xid8 as ended`.execute(this.#db);
      this.#look();
      if (older.rows[0]?.ended === true) return;
      await delay(pause, undefined, { ref: false });
    }
  }
}
