import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { isOfSource } from "./is-of-source.ts";
import { isFailed } from "./row-state.ts";

export interface FailureReason {
  /** Of one row that failed for it. */
  readonly key: string;
  readonly reason: string;
  readonly rows: number;
}

/** The reasons of the latest failures, one each, never a text. */
export async function failureReasons(db: Database, sourceId: number, most: number): Promise<FailureReason[]> {
  const { rows } = await sql<FailureReason>`
    select q.last_error as reason, count(*)::float8 as rows, max(q.key) as key
    from autoembed.embedding_queue q where q.source_id = ${sourceId} and ${isFailed()}
    group by q.last_error order by max(q.failed_at) desc limit ${most}`.execute(db);
  return rows;
}

export interface FailuresOfReason {
  readonly reason: string;
  /** How many rows failed for it. */
  readonly rows: number;
  /** The latest first. */
  readonly failed: readonly {
    readonly source: string;
    readonly key: string;
    /** ISO 8601, UTC. */
    readonly failed_at: string;
    readonly attempts: number;
  }[];
}

/**
 * Failed rows by their reason, the commonest first.
 * @param source by default, rows of every source
 * @param mostPerReason rows that are returned per reason; by default, all
 */
export async function failuresByReason(
  db: Database,
  source: string | undefined,
  mostPerReason: number | undefined,
): Promise<FailuresOfReason[]> {
  const reason = sql`coalesce(q.last_error, 'unknown')`;
  const { rows } = await sql<Omit<FailuresOfReason, "failed"> & FailuresOfReason["failed"][number]>`
    select f.reason, f.rows, f.source, f.key, f.failed_at, f.attempts from (
      select ${reason} as reason, s.name as source, q.key, q.attempts,
        to_char(q.failed_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as failed_at,
        (count(*) over (partition by ${reason}))::float8 as rows,
        row_number() over (partition by ${reason} order by q.failed_at desc, q.source_id, q.key) as place
      from autoembed.embedding_queue q join autoembed.embedding_source s on s.id = q.source_id
      where ${isFailed()} and ${isOfSource(source)}) f
    where ${mostPerReason === undefined ? sql`true` : sql`f.place <= ${mostPerReason}`}
    order by f.rows desc, f.reason, f.place`.execute(db);
  const groups = new Map<string, FailuresOfReason & { failed: FailuresOfReason["failed"][number][] }>();
  for (const { reason, rows: count, ...row } of rows) {
    const group = groups.get(reason) ?? { reason, rows: count, failed: [] };
    group.failed.push(row);
    groups.set(reason, group);
  }
  return [...groups.values()];
}
