import type { Engine } from "./engine.ts";
import type { WireServer } from "./wire-server.ts";

/** After so much new WAL, a checkpoint is made even if clients are busy. */
const WAL_BYTES = 32 * 1024 * 1024;
/** Other work is done only if no client has used the engine for this long. */
const IDLE_MS = 2000;

/** Autovacuum's own rule: 50 rows plus a fifth of the table for dead rows, plus a tenth for the planner's statistics. */
const OVERDUE = `
  select format('%I.%I', schemaname, relname) from pg_stat_user_tables
   where n_dead_tup > 50 + 0.2 * n_live_tup or n_mod_since_analyze > 50 + 0.1 * n_live_tup`;

/**
 * Does the work of a server's background processes, which the embedded Postgres does not have. Each table is vacuumed in
 * a separate step, so that clients wait for at most one table.
 */
export class Housekeeping {
  readonly #engine: Engine;
  readonly #server: WireServer;
  readonly #timer: NodeJS.Timeout;
  #checkpointedAt = "";
  #running: Promise<void> | undefined;

  constructor(engine: Engine, server: WireServer, intervalMs: number) {
    this.#engine = engine;
    this.#server = server;
    // The wire server handles a failure: it opens the engine again.
    this.#timer = setInterval(() => {
      this.#running ??= this.#keepHouse().catch(() => {});
    }, intervalMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }

  async #keepHouse(): Promise<void> {
    try {
      await this.#checkpointIfDue();
      if (!this.#isIdle()) return;
      // Postgres updates the table counts about once a minute; this forces it at the end of the statement.
      await this.#query("select pg_stat_force_next_flush()");
      for (const [table = ""] of await this.#query(OVERDUE)) {
        if (this.#isIdle()) await this.#query(`vacuum (analyze) ${table}`);
      }
    } finally {
      this.#running = undefined;
    }
  }

  async #checkpointIfDue(): Promise<void> {
    const [[position = "", bytes = ""] = []] = await this.#query(
      `select lsn, pg_wal_lsn_diff(lsn, '${this.#checkpointedAt || "0/0"}') from pg_current_wal_lsn() lsn`,
    );
    if (position === this.#checkpointedAt || (Number(bytes) < WAL_BYTES && !this.#isIdle())) return;
    await this.#query("checkpoint");
    [[this.#checkpointedAt = ""] = []] = await this.#query("select pg_current_wal_lsn()");
  }

  #isIdle(): boolean {
    return performance.now() - this.#server.lastTurnAt > IDLE_MS;
  }

  #query(sql: string): Promise<string[][]> {
    return this.#server.betweenTransactions(() => this.#engine.query(sql));
  }
}
