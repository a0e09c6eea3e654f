import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { openPool } from "../database/pools.ts";
import { createListener, type Listener } from "../listener/listener.ts";
import { uninstalledSignal } from "../listener/uninstalled-signal.ts";
import type { Events } from "../events.ts";
import type { Source } from "../sources/source.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import { beginEmbedding, queueTextsToCut } from "./begin-work.ts";
import type { BackfillLimits } from "../pages/limits.ts";
import { pendingRows } from "../queue/counts.ts";
import { pollUntil, waitForPending } from "../queue/wait-for-pending.ts";
import type { Progress, ProgressFigures } from "./progress.ts";
import { reportBatchesOf } from "./report-batches.ts";
import { reportPaused } from "./report-paused.ts";
import { countLeft } from "./count-left.ts";
import { Work } from "./work.ts";

interface BackfillOptions {
  /** The sources whose texts are cut into the chunks that `sources` embed. */
  readonly chunked?: readonly ChunkedSource[];
  /** Embeds every row, even if it has a current vector. */
  readonly all: boolean;
  /** Through the providers' batch APIs. */
  readonly batch?: boolean;
  /** Begins no backfill: embeds what is pending, and takes part in the backfills that are under way. */
  readonly pendingOnly?: boolean;
  /** Of the one source that there is then. */
  readonly limits?: BackfillLimits | undefined;
  /** Requests of a backfill that this process has in flight, at most, by the names of sources. */
  readonly lanes?: ReadonlyMap<string, number> | undefined;
  readonly progress: Progress;
  /** Receives the reason when a source cannot be embedded for now, or its provider asks for a long pause. The backfill keeps waiting for it. */
  readonly onProblem?: (problem: string) => void;
  /** Receives what has become of the batches of a source, whenever that changes. */
  readonly onBatches?: (report: string) => void;
  /** Receives the names of sources that were paused during the backfill. The backfill keeps waiting for them. */
  readonly onPaused?: (names: readonly string[]) => void;
  readonly signal: AbortSignal;
}

export interface BackfillReport extends ProgressFigures {
  readonly sources: readonly string[];
  readonly seconds: number;
  /** Rows left pending: the backfill was interrupted, or its money is spent, or rows are locked. */
  readonly pending: number;
  /** It ended because its money is spent. */
  readonly isSpent: boolean;
}

/**
 * Embeds every row that has no current vector, page by page, and drains the queue, together with the listeners that are
 * running. An interrupted backfill loses nothing: the listeners, or the next one, continue where it stopped.
 */
export async function runBackfill(
  config: Config & { readonly DATABASE_URL: string },
  sources: readonly Source[],
  options: BackfillOptions,
): Promise<BackfillReport> {
  const listener = createListener(config, { backfillLanes: options.lanes });
  const uninstalled = uninstalledSignal(listener.events);
  const signal = AbortSignal.any([options.signal, uninstalled]);
  try {
    const report = await backfillWith(listener, listener.start(), config, sources, { ...options, signal });
    uninstalled.throwIfAborted();
    return report;
  } finally {
    await listener.stop();
  }
}

/** The same with the caller's listener, which keeps running afterwards. `started` is the result of its `start()`. */
export async function backfillWith(
  { events }: Listener,
  started: Promise<void>,
  config: Config & { readonly DATABASE_URL: string },
  sources: readonly Source[],
  options: BackfillOptions,
): Promise<BackfillReport> {
  const { chunked = [], pendingOnly = false, progress, signal } = options;
  const all = [...chunked, ...sources];
  const begun = performance.now();
  const db = openPool("backfill", config);
  const counts = countEvents(events, sources, chunked);
  const work = new Work(db, events, sources, chunked, options.all);
  const reportProblem = reportOnce(all, options.onProblem);
  const reportPause = ({ problem }: { readonly problem: string }): void => {
    reportProblem({ source: undefined, problem });
  };
  events.on("source_failing", reportProblem);
  events.on("throttled", reportPause);
  // An error is thrown where `started` is awaited. Until then this handler keeps it from ending the process.
  started.catch(() => undefined);
  const ending = new AbortController();
  let beginning: Promise<void> | undefined;
  let counting: Promise<void> | undefined;
  try {
    await work.begin();
    const figures = (): ProgressFigures => ({ ...counts, done: work.done, total: work.total });
    const reportPausedSources = reportPaused(db, all, options.onPaused);
    const reportBatches = reportBatchesOf(db, sources, options.onBatches);
    let isBegun = false;
    const show = async (rows: number): Promise<void> => {
      await reportBatches();
      await work.look(rows, isBegun);
      if (work.pending > 0) await reportPausedSources();
      progress.show(figures(), work.isCounted);
    };
    // Begin while the listener starts: a provider's first answer may take long.
    const until = AbortSignal.any([signal, ending.signal]);
    const counted = pendingOnly
      ? undefined
      : countLeft(db, config, started, work, { ...options, signal: until });
    counting = counted?.all;
    work.isCounted = pendingOnly;
    beginning = pendingOnly
      ? Promise.resolve()
      : beginAll(db, sources, work, counted?.firstTexts, { ...options, signal: until });
    let failed = false;
    beginning.then(
      () => (isBegun = true),
      () => (failed = true),
    );
    await started;
    const look = { db, events, show, signal };
    await pollUntil(() => failed || work.hasEnded, { ...look, sources: all });
    await beginning;
    // Texts first: their chunks are queued as they are cut.
    const showAll = async (): Promise<void> => {
      await show(await pendingRows(db, all));
    };
    if (chunked.length > 0) await waitForPending({ ...look, sources: chunked, show: showAll });
    await waitForPending({ ...look, sources: all });
    return {
      sources: work.names,
      ...figures(),
      pending: work.pending,
      isSpent: work.stopped > 0,
      seconds: (performance.now() - begun) / 1000,
    };
  } finally {
    ending.abort();
    await beginning?.catch(() => undefined); // already thrown above
    await counting;
    events.off("source_failing", reportProblem);
    events.off("throttled", reportPause);
    work.end();
    progress.end();
    await db.destroy();
  }
}

/** Begins the backfill of each source, and queues the texts that are to be cut as there is room for them. */
async function beginAll(
  db: Database,
  sources: readonly Source[],
  work: Work,
  firstTexts: Promise<unknown> | undefined,
  { all, batch = false, limits, signal }: BackfillOptions,
): Promise<void> {
  if (work.inChunks.length > 0) await firstTexts;
  for (const source of sources) {
    if (signal.aborted) return;
    await beginEmbedding(db, source, { isAll: all, inBatches: batch, limits });
    work.inChunks.find(({ embedder }) => embedder.id === source.id)?.begun();
  }
  for (const texts of work.inChunks) {
    await queueTextsToCut(db, texts.source, all, signal, (rows) => {
      texts.queued(rows);
    });
  }
}

/** Counts what was done for these sources. The listener works for every source. */
function countEvents(
  events: Events,
  sources: readonly Source[],
  chunked: readonly ChunkedSource[],
): Pick<ProgressFigures, "cached" | "failed" | "tokens" | "chunks"> {
  const counts = { cached: 0, failed: 0, tokens: 0, chunks: 0 };
  const names = new Set([...sources, ...chunked].map(({ name }) => name));
  const ofChunks = new Set(
    sources.filter(({ id }) => chunked.some(({ embeddedBy }) => embeddedBy === id)).map(({ name }) => name),
  );
  const countChunks = ({ source, rows }: { readonly source: string; readonly rows: number }): void => {
    if (ofChunks.has(source)) counts.chunks += rows;
  };
  events.on("embedded", countChunks);
  events.on("cached", countChunks);
  events.on("cached", ({ source, rows }) => (counts.cached += names.has(source) ? rows : 0));
  events.on("failed", ({ source, rows }) => (counts.failed += names.has(source) ? rows : 0));
  events.on("answered", ({ source, tokens }) => (counts.tokens += names.has(source) ? tokens : 0));
  return counts;
}

/** Reports a problem of one of these sources, or of all sources, unless it is the same as the last one. */
function reportOnce(sources: readonly Source[], onProblem: BackfillOptions["onProblem"]) {
  let last: string | undefined;
  return ({ source, problem }: { readonly source: string | undefined; readonly problem: string }): void => {
    if (problem === last || (source !== undefined && !sources.some(({ name }) => name === source))) return;
    last = problem;
    onProblem?.(source === undefined ? problem : `${source}: ${problem}`);
  };
}
