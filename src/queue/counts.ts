import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import { chunkRows, keyMatches, keysOf, queueKey, rowsWithVectors } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import { isClaimed, isFailed, isOpen, isPending } from "./row-state.ts";

export interface QueueCounts {
  /** Waiting for a listener. */
  readonly pending: number;
  /** Claimed by a listener, in any process. */
  readonly in_flight: number;
  readonly failed: number;
  /** Seconds since the oldest change that is pending or claimed; null where there is none. */
  readonly oldest_pending_seconds: number | null;
}

/** Of queue rows `q`. */
const counts = sql`count(*) filter (where ${isPending()}) as pending, count(*) filter (where ${isClaimed()}) as in_flight,
      count(*) filter (where ${isFailed()}) as failed,
      extract(epoch from now() - min(q.queued_at) filter (where ${isOpen()}))::float8 as oldest_pending_seconds`;

/** `QueueCounts` per `source_id`, as a subquery; a source with an empty queue is not in it. */
export const countsBySource: RawBuilder<unknown> = sql`(
      select q.source_id, ${counts} from autoembed.embedding_queue q group by q.source_id)`;

export async function countQueue(db: Database, sourceId: number): Promise<QueueCounts> {
  const { rows } = await sql<QueueCounts>`
    select c.pending::float8, c.in_flight::float8, c.failed::float8, c.oldest_pending_seconds
    from (select ${counts} from autoembed.embedding_queue q where q.source_id = ${sourceId}) c`.execute(db);
  const [counted] = rows;
  if (counted === undefined) throw new Error("a count gave no row");
  return counted;
}

/** Rows of these sources that are pending or claimed: all of them, or those with tickets up to one. */
export async function pendingRows(
  db: Database,
  sources: readonly Pick<Source, "id">[],
  upTo?: string,
): Promise<number> {
  const { rows } = await sql<{ pending: number }>`
    select count(*)::float8 as pending from autoembed.embedding_queue q
    where ${isOpen()} and q.source_id = any(${sources.map((source) => source.id)}::int[])
      and ${upTo === undefined ? sql`true` : sql`q.ticket <= ${upTo}::bigint`}`.execute(db);
  return rows[0]?.pending ?? 0;
}

/** Texts that are pending or claimed, or have a chunk that is. */
export async function countOpenTexts(db: Database, source: ChunkedSource): Promise<number> {
  const { rows } = await sql<{ texts: number }>`
    select count(*)::float8 as texts from (
      select q.key from autoembed.embedding_queue q where q.source_id = ${source.id} and ${isOpen()}
      union
      select ${queueKey(source, "c")} from (
        select distinct ${keysOf(source, "p")} from autoembed.embedding_queue q
        join ${chunkRows(source)} p on p.passage_id = q.key::bigint
        where q.source_id = ${source.embeddedBy} and ${isOpen()}
      ) c
    ) t`.execute(db);
  return rows[0]?.texts ?? 0;
}

/** Whether no more rows of a source than that are pending or claimed; never counts further. */
export async function hasAtMostPending(
  db: Database,
  { id }: Pick<Source, "id">,
  most: number,
): Promise<boolean> {
  const { rows } = await sql`
    select from autoembed.embedding_queue q where q.source_id = ${id} and ${isOpen()} limit ${most + 1}`.execute(
    db,
  );
  return rows.length <= most;
}

export async function failedRows(db: Database, { id }: Source): Promise<number> {
  const { rows } = await sql<{ failed: number }>`
    select count(*)::float8 as failed from autoembed.embedding_queue q where q.source_id = ${id} and ${isFailed()}`.execute(
    db,
  );
  return rows[0]?.failed ?? 0;
}

/** The ids of sources with a row that is pending or claimed, or with a backfill under way: one look, however many sources there are. */
export async function sourcesWithWork(db: Database): Promise<number[]> {
  const { rows } = await sql<{ id: number }>`
    select s.id from autoembed.embedding_source s
    where exists (select from autoembed.embedding_queue q where q.source_id = s.id and ${isOpen()})
      or exists (select from autoembed.embedding_backfill b where b.source_id = s.id)`.execute(db);
  return rows.map(({ id }) => id);
}

/**
 * Whether nothing is pending or claimed, and no backfill is under way, of any source that is not paused.
 * @param except ids of sources that are not looked at
 */
export async function isDrained(db: Database, except: readonly number[] = []): Promise<boolean> {
  const isAsked = sql`not s.paused and s.id <> all(${except}::int[])`;
  const { rows } = await sql<{ drained: boolean }>`
    select not exists (
      select from autoembed.embedding_queue q join autoembed.embedding_source s on s.id = q.source_id
      where ${isOpen()} and ${isAsked})
      and not exists (
      select from autoembed.embedding_backfill b join autoembed.embedding_source s on s.id = b.source_id
      where ${isAsked}) as drained`.execute(db);
  return rows[0]?.drained === true;
}

/** Names of those of these sources that are paused and have something pending, or a backfill under way, in the given order. */
export async function pausedWithPending(db: Database, sources: readonly Source[]): Promise<string[]> {
  const ids = sql`${sources.map(({ id }) => id)}::int[]`;
  const { rows } = await sql<{ name: string }>`
    select s.name from autoembed.embedding_source s
    where s.paused and s.id = any(${ids}) and (exists (
      select from autoembed.embedding_queue q where q.source_id = s.id and ${isOpen()})
      or exists (select from autoembed.embedding_backfill b where b.source_id = s.id))
    order by array_position(${ids}, s.id)`.execute(db);
  return rows.map(({ name }) => name);
}

/** Rows that are queued for `other` and have a vector of `shown` but none of `other`. */
export async function countMissingVectors(
  db: Database,
  shown: Source,
  other: Source,
): Promise<Pick<QueueCounts, "pending" | "failed">> {
  const { rows } = await sql<Pick<QueueCounts, "pending" | "failed">>`
    select count(*) filter (where ${isOpen()})::float8 as pending, count(*) filter (where ${isFailed()})::float8 as failed
    from autoembed.embedding_queue q
    join ${rowsWithVectors(shown)} b on ${keyMatches(shown, "b", "q")}
    join ${rowsWithVectors(other)} a on ${keyMatches(other, "a", "q")}
    where q.source_id = ${other.id} and b.vector is not null and a.vector is null`.execute(db);
  return rows[0] ?? { pending: 0, failed: 0 };
}

/** The newest ticket of a source: rows that come later are fresh. */
export async function newestTicket(db: Database, source: Source): Promise<bigint> {
  const { rows } = await sql<{ ticket: string | null }>`
    select max(q.ticket) as ticket from autoembed.embedding_queue q where q.source_id = ${source.id} and ${isOpen()}`.execute(
    db,
  );
  return BigInt(rows[0]?.ticket ?? 0);
}
