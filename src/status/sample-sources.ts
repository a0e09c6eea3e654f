import { sql } from "kysely";
import type { Database } from "../database/connect.ts";

/** What a source's queue and its day's counters say now: one statement for all sources, that reads no user's table. */
export interface SourceSample {
  readonly id: number;
  readonly name: string;
  readonly trouble: string | null;
  readonly paused: boolean;
  /** Waiting for a listener. */
  readonly pending: number;
  /** Claimed by a listener, in any process. */
  readonly in_flight: number;
  readonly failed: number;
  /** Seconds since the oldest change that is not embedded; null where there is none. */
  readonly oldest_pending_seconds: number | null;
  /** Rows that received a vector, since counting began. */
  readonly settled: number;
}

export async function sampleSources(db: Database): Promise<SourceSample[]> {
  const { rows } = await sql<SourceSample>`
    select s.id, s.name, s.paused, s.trouble, coalesce(q.pending, 0)::float8 as pending, coalesce(q.in_flight, 0)::float8 as in_flight,
      coalesce(q.failed, 0)::float8 as failed, q.oldest_pending_seconds, coalesce(u.settled, 0)::float8 as settled
    from autoembed.embedding_source s
    left join (
      select source_id, count(*) filter (where failed_at is null and owner is null) as pending,
        count(*) filter (where failed_at is null and owner is not null) as in_flight,
        count(*) filter (where failed_at is not null) as failed,
        extract(epoch from now() - min(queued_at) filter (where failed_at is null))::float8 as oldest_pending_seconds
      from autoembed.embedding_queue group by source_id
    ) q on q.source_id = s.id
    left join (
      select source_id, sum(embedded + cached) as settled from autoembed.embedding_usage group by source_id
    ) u on u.source_id = s.id
    order by s.id`.execute(db);
  return rows;
}
