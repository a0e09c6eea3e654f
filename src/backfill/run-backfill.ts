import { sql } from "kysely";
import { setTimeout as delay } from "node:timers/promises";
import type { Config } from "../config.ts";
import { connect, type Database } from "../database/connect.ts";
import { createListener, type Listener } from "../listener/listener.ts";
import { cacheModel } from "../providers/provider.ts";
import { openProvider, openProviderUnasked } from "../providers/open-provider.ts";
import { providerSettings } from "../sources/provider-settings.ts";
import type { Source } from "../sources/source.ts";
import { queueStaleParents } from "../passages/queue-stale-parents.ts";
import type { Splitter } from "../passages/splitter.ts";
import { queueStaleRows } from "./find-work.ts";
import type { Progress, ProgressFigures } from "./progress.ts";

interface BackfillOptions {
  /** What cuts texts into the passages that the sources embed. */
  readonly splitters?: readonly Splitter[];
  /** Every row, whether it has a vector or not. */
  readonly all: boolean;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

export interface BackfillReport extends ProgressFigures {
  readonly sources: readonly string[];
  readonly seconds: number;
  /** Left pending: the backfill was interrupted, or rows are locked. */
  readonly pending: number;
}

/** Looking through a large table and its cache takes long in one statement, and holds nothing up. */
const LONGEST_STATEMENT_MS = 3_600_000;
const LOOK_MS = 200;
/** Counting takes longer the more is pending: a look may take this share of the time, and no more. */
const LOOK_SHARE = 0.02;

/**
 * Queues every row that has no current vector and drains the queue, together with whatever listener runs beside. What
 * is done is done: interrupted, it goes on where it stopped.
 */
export async function runBackfill(
  config: Config & { readonly DATABASE_URL: string },
  sources: readonly Source[],
  options: BackfillOptions,
): Promise<BackfillReport> {
  const { splitters = [] } = options;
  const all = [...splitters, ...sources];
  const started = performance.now();
  const db = connect({
    databaseUrl: config.DATABASE_URL,
    maxConnections: 2,
    ownSessions: true,
    queryTimeoutMs: LONGEST_STATEMENT_MS,
  });
  const listener = createListener(config);
  const counts = countEvents(listener);
  try {
    await listener.start();
    let total = await pendingRows(db, all);
    listener.events.on("split", ({ passages }) => (total += passages));
    const queueing = { now: true };
    const queued = queueAll(db, config, sources, options, (rows) => (total += rows)).finally(
      () => (queueing.now = false),
    );
    let pending = total;
    let pause = LOOK_MS;
    let waiting = new AbortController();
    listener.events.on("drained", () => {
      waiting.abort();
    });
    while ((queueing.now || pending > 0) && !options.signal.aborted) {
      waiting = new AbortController();
      await delay(pause, undefined, { signal: waiting.signal }).catch(() => undefined);
      const looked = performance.now();
      pending = await pendingRows(db, all);
      pause = Math.max(LOOK_MS, (performance.now() - looked) / LOOK_SHARE);
      options.progress.show({ ...counts, done: Math.max(0, total - pending), total });
    }
    await queued;
    return {
      sources: all.map((source) => source.name),
      ...counts,
      done: total - pending,
      total,
      pending,
      seconds: (performance.now() - started) / 1000,
    };
  } finally {
    options.progress.end();
    await listener.stop();
    await db.destroy();
  }
}

async function queueAll(
  db: Database,
  config: Config,
  sources: readonly Source[],
  { splitters = [], all, signal }: BackfillOptions,
  onQueued: (rows: number) => void,
): Promise<void> {
  const queue = async (source: Source, pages: AsyncGenerator<number>): Promise<void> => {
    for await (const rows of pages) {
      onQueued(rows);
      if (rows > 0) await sql`select pg_notify('embedding_queue', ${String(source.id)})`.execute(db);
      if (signal.aborted) return;
    }
  };
  for (const splitter of splitters) await queue(splitter, queueStaleParents(db, splitter, all));
  for (const source of sources) {
    if (signal.aborted) return;
    const cacheModel = await cacheModelOf(config, source, signal);
    await queue(source, queueStaleRows(db, { source, cacheModel, all }));
  }
}

/** Asks the provider only where nothing else tells how long its vectors are: the listener has asked it already. */
async function cacheModelOf(config: Config, source: Source, signal: AbortSignal): Promise<string> {
  const settings = providerSettings(config, source);
  const dimensions = settings.dimensions ?? source.columnDimensions;
  const provider =
    dimensions === null
      ? await openProvider(settings, signal)
      : openProviderUnasked({ ...settings, dimensions });
  await provider.close();
  return cacheModel(provider);
}

async function pendingRows(db: Database, sources: readonly Source[]): Promise<number> {
  const { rows } = await sql<{ pending: number }>`
    select count(*)::int as pending from embedding_queue
    where failed_at is null and source_id = any(${sources.map((source) => source.id)}::int[])`.execute(db);
  return rows[0]?.pending ?? 0;
}

function countEvents({ events }: Listener): { cached: number; failed: number; tokens: number } {
  const counts = { cached: 0, failed: 0, tokens: 0 };
  events.on("cached", ({ rows }) => (counts.cached += rows));
  events.on("failed", ({ rows }) => (counts.failed += rows));
  events.on("answered", ({ tokens }) => (counts.tokens += tokens));
  return counts;
}
