import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { waitedWithin, type Waits } from "../timing/waits.ts";

/** What was embedded on one day (UTC), and what the provider charged for. */
export interface UsageOfDay {
  /** ISO 8601: `2026-03-31`. */
  readonly day: string;
  /** Rows whose vector a provider made. */
  readonly embedded: number;
  /** Rows whose vector came from another row or the cache. */
  readonly cached: number;
  readonly failed: number;
  readonly requests: number;
  readonly tokens: number;
  /** Money, of questions and the reranker too; null where no price was known. */
  readonly cost: number | null;
  /**
   * Seconds from a change to its vector, over all listeners: half of the changed rows, and 95 % of them, waited no longer.
   * Rounded up to the next of 0.05 s, 0.1 s, 0.2 s …; null without changes.
   */
  readonly freshness_p50: number | null;
  readonly freshness_p95: number | null;
}

/**
 * Today and the days before it, the oldest first. A day without work has zeros.
 * @param sourceIds by default, all sources together, also those that are no longer watched
 */
export async function usageByDay(
  db: Database,
  days: number,
  sourceIds?: readonly number[],
): Promise<UsageOfDay[]> {
  const isOfSources = (of: string) =>
    sourceIds === undefined ? sql`true` : sql`${sql.ref(of)} = any(${sourceIds}::int[])`;
  const { rows } = await sql<Omit<UsageOfDay, "freshness_p50" | "freshness_p95"> & { waits: Waits }>`
    select to_char(d.day, 'YYYY-MM-DD') as day,
      (select coalesce(array_agg(w.rows order by w.step), '{}') from (
        select w.step, sum(w.rows)::float8 as rows
        from autoembed.embedding_usage u cross join unnest(u.waits) with ordinality w(rows, step)
        where u.day = d.day and ${isOfSources("u.source_id")} group by w.step) w) as waits,
      coalesce(sum(u.embedded), 0)::float8 as embedded,
      coalesce(sum(u.cached), 0)::float8 as cached, coalesce(sum(u.failed), 0)::float8 as failed,
      coalesce(sum(u.requests), 0)::float8 as requests, coalesce(sum(u.tokens), 0)::float8 as tokens,
      (select case when coalesce(sum(s.unpriced_tokens), 0) = 0 or sum(s.cost) > 0 then coalesce(sum(s.cost), 0) end
        from autoembed.embedding_spending s where s.day = d.day and ${isOfSources("s.source_id")}) as cost
    from (select (now() at time zone 'utc')::date - n as day from generate_series(0, ${days}::int - 1) n) d
    left join autoembed.embedding_usage u on u.day = d.day and ${isOfSources("u.source_id")}
    group by d.day order by d.day`.execute(db);
  return rows.map(({ waits, ...day }) => ({
    ...day,
    freshness_p50: waitedWithin(waits, 0.5),
    freshness_p95: waitedWithin(waits, 0.95),
  }));
}
