import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import type { Events } from "../events.ts";

const COUNTERS = ["embedded", "cached", "failed", "truncated", "requests", "tokens"] as const;
type Counter = (typeof COUNTERS)[number];

/** Counts what each source does and costs, until `flush` adds it to `embedding_usage`. */
export class Usage {
  readonly #counts = new Map<string, Record<Counter, number>>();

  constructor(events: Events) {
    events.on("embedded", ({ source, rows }) => {
      this.#add(source, "embedded", rows);
    });
    events.on("cached", ({ source, rows }) => {
      this.#add(source, "cached", rows);
    });
    events.on("failed", ({ source, rows }) => {
      this.#add(source, "failed", rows);
    });
    events.on("truncated", ({ source, rows }) => {
      this.#add(source, "truncated", rows);
    });
    events.on("answered", ({ source, tokens }) => {
      this.#add(source, "requests", 1);
      this.#add(source, "tokens", tokens);
    });
  }

  /** Writes what was counted since the last call. What cannot be written now is written by the next call. */
  async flush(db: Database): Promise<void> {
    for (const [source, current] of this.#counts) {
      const counts = { ...current };
      await sql`
        insert into autoembed.embedding_usage as u (source_id, embedded, cached, failed, truncated, requests, tokens)
        select id, ${counts.embedded}::bigint, ${counts.cached}::bigint, ${counts.failed}::bigint,
          ${counts.truncated}::bigint, ${counts.requests}::bigint, ${counts.tokens}::bigint
        from autoembed.embedding_source where name = ${source}
        on conflict (source_id, day) do update set
          embedded = u.embedded + excluded.embedded, cached = u.cached + excluded.cached,
          failed = u.failed + excluded.failed, truncated = u.truncated + excluded.truncated,
          requests = u.requests + excluded.requests, tokens = u.tokens + excluded.tokens`.execute(db);
      this.#subtract(source, counts);
    }
  }

  #add(source: string, counter: Counter, amount: number): void {
    const counts = this.#counts.get(source) ?? zeroCounters();
    counts[counter] += amount;
    this.#counts.set(source, counts);
  }

  /** More may have been counted while the statement ran. */
  #subtract(source: string, written: Record<Counter, number>): void {
    const counts = this.#counts.get(source);
    if (counts === undefined) return;
    for (const counter of COUNTERS) counts[counter] -= written[counter];
    if (COUNTERS.every((counter) => counts[counter] === 0)) this.#counts.delete(source);
  }
}

function zeroCounters(): Record<Counter, number> {
  return { embedded: 0, cached: 0, failed: 0, truncated: 0, requests: 0, tokens: 0 };
}
