import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { isFailed } from "./row-state.ts";

/** Keys and reasons, never a text. */
export interface FailedRow {
  readonly key: string;
  readonly reason: string;
  /** ISO 8601, UTC. */
  readonly failed_at: string;
}

export async function latestFailures(db: Database, sourceId: number, most: number): Promise<FailedRow[]> {
  const { rows } = await sql<FailedRow>`
    select q.key, coalesce(q.last_error, 'unknown') as reason,
      to_char(q.failed_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as failed_at
    from autoembed.embedding_queue q where q.source_id = ${sourceId} and ${isFailed()}
    order by q.failed_at desc, q.key limit ${most}`.execute(db);
  return rows;
}

export interface FailureReason {
  /** Of one row that failed for it. */
  readonly key: string;
  readonly reason: string;
  readonly rows: number;
}

/** The reasons of the latest failures, one each. */
export async function failureReasons(db: Database, sourceId: number, most: number): Promise<FailureReason[]> {
  const { rows } = await sql<FailureReason>`
    select q.last_error as reason, count(*)::int as rows, max(q.key) as key
    from autoembed.embedding_queue q where q.source_id = ${sourceId} and ${isFailed()}
    group by q.last_error order by max(q.failed_at) desc limit ${most}`.execute(db);
  return rows;
}
