import { setTimeout as delay } from "node:timers/promises";
import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import type { Events } from "../events.ts";

const POLL_MS = 500;

/**
 * The tokens that may be spent in a day (`EMBED_DAILY_TOKEN_BUDGET`), by all listeners of a database together. What the
 * requests in flight cost is known when they are answered, so the budget may be overrun by as much.
 */
export class Budget {
  readonly #limit: number | undefined;
  readonly #events: Events;
  /** Spent today, as `embedding_usage` had it when it was last read. */
  #recorded = 0;
  /** Spent by this process since then. */
  #unrecorded = 0;
  #isReported = false;

  constructor(limit: number | undefined, events: Events) {
    this.#limit = limit;
    this.#events = events;
    events.on("answered", ({ tokens }) => (this.#unrecorded += tokens));
  }

  /** Why nothing is embedded until tomorrow; undefined while there is room. */
  get exhausted(): string | undefined {
    const spent = this.#recorded + this.#unrecorded;
    if (this.#limit === undefined || spent < this.#limit) return undefined;
    return (
      `the day's ${this.#limit} tokens are used up (${spent} spent): embedding goes on at 00:00 UTC, ` +
      "or when EMBED_DAILY_TOKEN_BUDGET is raised"
    );
  }

  /** Reads what was spent today. To be called after this process has written its own counts. */
  async refresh(db: Database): Promise<void> {
    if (this.#limit === undefined) return;
    const counted = this.#unrecorded;
    const { rows } = await sql<{ tokens: number }>`
      select coalesce(sum(tokens), 0)::float8 as tokens from autoembed.embedding_usage
      where day = (now() at time zone 'utc')::date`.execute(db);
    this.#recorded = rows[0]?.tokens ?? 0;
    this.#unrecorded -= counted;
    if (this.#isReported && this.exhausted === undefined) {
      this.#isReported = false;
      this.#events.emit("source_recovered", { source: undefined });
    }
  }

  /** Resolves when there is room. Rejects when aborted. */
  async room(signal: AbortSignal): Promise<void> {
    for (let problem = this.exhausted; problem !== undefined; problem = this.exhausted) {
      if (!this.#isReported) this.#events.emit("source_failing", { source: undefined, problem });
      this.#isReported = true;
      await delay(POLL_MS, undefined, { signal });
    }
  }
}
