import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { loadSources } from "../sources/load-sources.ts";
import { hasText, queueKey } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import { rowsWithVectors } from "../backfill/find-work.ts";

export interface SourceStatus {
  readonly name: string;
  /** Rows with a text. */
  readonly rows: number;
  /** Of them, those whose vector is there and not about to be replaced. */
  readonly current: number;
  readonly pending: number;
  readonly in_flight: number;
  readonly failed: number;
  readonly oldest_pending_seconds: number | null;
  readonly paused: boolean;
  readonly trouble: string | null;
  /** The latest failures, a line a reason. Keys and reasons, never a text. */
  readonly errors: readonly { readonly key: string; readonly reason: string; readonly rows: number }[];
  readonly today: Readonly<
    Record<"embedded" | "cached" | "failed" | "truncated" | "requests" | "tokens", number>
  >;
}

export interface ListenerStatus {
  readonly id: number;
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  readonly silent_seconds: number;
  readonly state: unknown;
}

export interface Status {
  readonly sources: readonly SourceStatus[];
  readonly listeners: readonly ListenerStatus[];
  readonly cache: { readonly vectors: number; readonly bytes: number };
}

export async function collectStatus(db: Database): Promise<Status> {
  const { usable, broken } = await loadSources(db);
  const sources: SourceStatus[] = [];
  for (const source of usable) sources.push(await sourceStatus(db, source));
  for (const { id, name, trouble } of broken) {
    sources.push({ ...(await queueStatus(db, id)), name, rows: 0, current: 0, paused: false, trouble });
  }
  const listeners = await sql<ListenerStatus>`
    select id, host, pid, version, state, extract(epoch from now() - seen_at)::float8 as silent_seconds
    from embedding_listener order by id`.execute(db);
  const cache = await sql<{ vectors: number; bytes: number }>`
    select count(*)::int as vectors, pg_total_relation_size('embedding_cache')::float8 as bytes
    from embedding_cache`.execute(db);
  return { sources, listeners: listeners.rows, cache: cache.rows[0] ?? { vectors: 0, bytes: 0 } };
}

async function sourceStatus(db: Database, source: Source): Promise<SourceStatus> {
  const { rows } = await sql<{ rows: number; current: number; trouble: string | null }>`
    select count(*) filter (where ${hasText("t")})::int as rows,
      count(*) filter (where t.vector is not null and q.key is null)::int as current,
      (select trouble from embedding_source where id = ${source.id}) as trouble
    from ${rowsWithVectors(source)} t
    left join embedding_queue q on q.source_id = ${source.id} and q.key = ${queueKey(source, "t")}`.execute(
    db,
  );
  const [counted] = rows;
  if (counted === undefined) throw new Error("a count gave no row");
  return { name: source.name, ...counted, ...(await queueStatus(db, source.id)), paused: source.paused };
}

type QueueStatus = Omit<SourceStatus, "name" | "rows" | "current" | "paused" | "trouble">;

async function queueStatus(db: Database, sourceId: number): Promise<QueueStatus> {
  const queue = await sql<Omit<QueueStatus, "errors" | "today">>`
    select count(*) filter (where failed_at is null and owner is null)::int as pending,
      count(*) filter (where failed_at is null and owner is not null)::int as in_flight,
      count(*) filter (where failed_at is not null)::int as failed,
      extract(epoch from now() - min(queued_at) filter (where failed_at is null))::float8 as oldest_pending_seconds
    from embedding_queue where source_id = ${sourceId}`.execute(db);
  const errors = await sql<QueueStatus["errors"][number]>`
    select last_error as reason, count(*)::int as rows, max(key) as key
    from embedding_queue where source_id = ${sourceId} and failed_at is not null
    group by last_error order by max(failed_at) desc limit 5`.execute(db);
  const usage = await sql<QueueStatus["today"]>`
    select embedded::float8, cached::float8, failed::float8, truncated::float8, requests::float8, tokens::float8
    from embedding_usage where source_id = ${sourceId} and day = (now() at time zone 'utc')::date`.execute(
    db,
  );
  const [counts] = queue.rows;
  if (counts === undefined) throw new Error("a count gave no row");
  const today = usage.rows[0] ?? { embedded: 0, cached: 0, failed: 0, truncated: 0, requests: 0, tokens: 0 };
  return { ...counts, errors: errors.rows, today };
}
