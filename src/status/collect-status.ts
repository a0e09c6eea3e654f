import { sql } from "kysely";
import { readBatches } from "../batches/batch-progress.ts";
import type { Database } from "../database/connect.ts";
import { dailyBudgets, type BudgetConfig } from "../listener/budget.ts";
import { isAsleep } from "../membership/alive.ts";
import type { ListenerState } from "../membership/listener-state.ts";
import { backfillProgress } from "../pages/backfills.ts";
import { spentToday, type SpentToday } from "../ledger/spending.ts";
import { listDateOf, type PriceConfig } from "../providers/prices/price-of.ts";
import type { Sent } from "../providers/roles/sent.ts";
import { countQueue } from "../queue/counts.ts";
import { failureReasons } from "../queue/failures.ts";
import type { BudgetSetting } from "../setting-types.ts";
import { loadSources } from "../sources/load-sources.ts";
import type { Source } from "../sources/source.ts";
import { countRows, uncounted } from "./count-rows.ts";
import { usageByDay, type UsageOfDay } from "./usage-by-day.ts";
import { sentOf } from "./sent-of.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import { NONE_STALE, type QueueStatus, type SourceStatus } from "./source-status.ts";

const SHOWN_REASONS = 5;
const SHOWN_DAYS = 7;

export interface ListenerStatus {
  readonly id: number;
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  /** 0 while it sleeps: it has no heartbeat then. */
  readonly silent_seconds: number;
  /** What the listener reports; empty until its first heartbeat. */
  readonly state: Partial<ListenerState>;
}

export interface Status {
  readonly sources: readonly SourceStatus[];
  readonly listeners: readonly ListenerStatus[];
  /** By rows, questions and the reranker, over all listeners and searches. */
  readonly spent_today: SpentToday & {
    /** The day of the price list that some of it is by, YYYY-MM-DD; null if none is. */
    readonly prices_listed_on: string | null;
    /** What a day may cost, by the settings of who asks. */
    readonly budgets: readonly BudgetSetting[];
  };
  /** Over all sources, today last. */
  readonly days: readonly UsageOfDay[];
  readonly cache: { readonly vectors: number; readonly bytes: number };
}

/** @param config says what is sent to the providers, at what price, and what a day may cost */
export async function collectStatus(db: Database, config?: PriceConfig & BudgetConfig): Promise<Status> {
  const { usable, chunked, broken } = await loadSources(db);
  const sources: SourceStatus[] = [];
  for (const source of usable) {
    // The texts come before their chunks.
    const parent = chunked.find(({ embeddedBy }) => embeddedBy === source.id);
    if (parent !== undefined) sources.push(await sourceStatus(db, parent, null));
    const sent = config === undefined ? null : await sentOf(config, source);
    sources.push(await sourceStatus(db, source, sent, parent));
  }
  for (const { id, name, problem } of broken) {
    sources.push({
      ...(await queueStatus(db, id)),
      name,
      chunks_of: null,
      rows: 0,
      current: 0,
      ...NONE_STALE,
      sent: null,
      paused: false,
      problem,
    });
  }
  const prices_listed_on = config === undefined ? null : listDateOf(config, usable);
  return {
    sources,
    listeners: await listenerStatus(db),
    spent_today: { ...(await spentToday(db)), prices_listed_on, budgets: dailyBudgets(config ?? {}) },
    days: await usageByDay(db, SHOWN_DAYS),
    cache: await cacheStatus(db),
  };
}

/** Without those that have ended with claims left (`markSilent`): until other listeners have freed these, they stay registered. */
export async function listenerStatus(db: Database): Promise<ListenerStatus[]> {
  const { rows } = await sql<ListenerStatus>`
    select id, host, pid, version, state,
      case when ${isAsleep} then 0 else extract(epoch from now() - seen_at)::float8 end as silent_seconds
    from autoembed.embedding_listener where seen_at > '-infinity' order by started_at, id`.execute(db);
  return rows;
}

/** Counts a small cache exactly; for a large one, returns the planner's estimate. */
async function cacheStatus(db: Database): Promise<Status["cache"]> {
  const { rows } = await sql<Status["cache"]>`
    select pg_total_relation_size('autoembed.embedding_cache')::float8 as bytes,
      case when reltuples > 1e6 then reltuples::float8 else (select count(*)::float8 from autoembed.embedding_cache) end as vectors
    from pg_class where oid = 'autoembed.embedding_cache'::regclass`.execute(db);
  return rows[0] ?? { vectors: 0, bytes: 0 };
}

async function sourceStatus(
  db: Database,
  source: Source | ChunkedSource,
  sent: Sent | null,
  parent?: ChunkedSource,
): Promise<SourceStatus> {
  const { name, paused } = source;
  const queue = await queueStatus(db, source.id);
  const counted = await countRows(db, source).catch((error: unknown) => uncounted(source, error));
  return { name, chunks_of: parent?.name ?? null, ...counted, ...queue, sent, paused };
}

async function queueStatus(db: Database, sourceId: number): Promise<QueueStatus> {
  return {
    ...(await countQueue(db, sourceId)),
    ...(await backfillStatus(db, sourceId)),
    batches: (await readBatches(db)).get(sourceId) ?? null,
    errors: await failureReasons(db, sourceId, SHOWN_REASONS),
    today: await usageToday(db, sourceId),
  };
}

/** The backfill under way. */
export async function backfillStatus(
  db: Database,
  id: number,
): Promise<Pick<QueueStatus, "backfilled" | "backfill_stopped">> {
  const { running, stopped, done } = await backfillProgress(db, [{ id }]);
  return { backfilled: running === 0 ? null : done, backfill_stopped: stopped > 0 };
}

/** The source's counters since midnight, UTC. */
export async function usageToday(db: Database, sourceId: number): Promise<QueueStatus["today"]> {
  const { rows } = await sql<QueueStatus["today"]>`
    select embedded::float8, cached::float8, failed::float8, truncated::float8, requests::float8, tokens::float8
    from autoembed.embedding_usage where source_id = ${sourceId} and day = (now() at time zone 'utc')::date`.execute(
    db,
  );
  return rows[0] ?? { embedded: 0, cached: 0, failed: 0, truncated: 0, requests: 0, tokens: 0 };
}
