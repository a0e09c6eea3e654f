import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { countsBySource, type QueueCounts } from "../queue/counts.ts";

/** A source's queue and counters at one moment: one statement for all sources, which reads no watched table. */
export interface SourceSample extends QueueCounts {
  readonly id: number;
  readonly name: string;
  readonly problem: string | null;
  readonly paused: boolean;
  /** Rows that received a vector, since pg-autoembed was installed. */
  readonly written: number;
  /** Texts in batches that the provider has, or that are being made or written. */
  readonly batch_texts: number;
}

export async function sampleSources(db: Database): Promise<SourceSample[]> {
  const { rows } = await sql<SourceSample>`
    select s.id, s.name, s.paused, s.trouble as problem, coalesce(q.pending, 0)::float8 as pending, coalesce(q.in_flight, 0)::float8 as in_flight,
      coalesce(q.failed, 0)::float8 as failed, q.oldest_pending_seconds, coalesce(u.written, 0)::float8 as written,
      (select coalesce(sum(b.lines), 0)::float8 from autoembed.embedding_batch b
        where b.source_id = s.id and b.state <> 'cleaning') as batch_texts
    from autoembed.embedding_source s
    left join ${countsBySource} q on q.source_id = s.id
    left join (
      select source_id, sum(embedded + cached) as written from autoembed.embedding_usage group by source_id
    ) u on u.source_id = s.id
    order by s.id`.execute(db);
  return rows;
}
