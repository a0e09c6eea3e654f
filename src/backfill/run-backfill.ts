import { onTooLong } from "../providers/source-settings.ts";
import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { openPool } from "../database/pools.ts";
import { createListener, type Listener } from "../listener/listener.ts";
import { uninstalledSignal } from "../listener/uninstalled-signal.ts";
import type { Events } from "../events.ts";
import { registerModel, type LedgerModel } from "../ledger/model.ts";
import { rowModel } from "../providers/fingerprint.ts";
import { withProvider } from "../providers/registry.ts";
import type { Source } from "../sources/source.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import { beginEmbedding, queueTextsToCut } from "./begin-work.ts";
import { countStale } from "./count-stale.ts";
import { knownDimensions } from "./known-dimensions.ts";
import type { BackfillLimits } from "../pages/limits.ts";
import { pendingRows } from "../queue/counts.ts";
import { pollUntil, waitForPending } from "../queue/wait-for-pending.ts";
import type { Progress, ProgressFigures } from "./progress.ts";
import { reportBatchesOf } from "./report-batches.ts";
import { reportPaused } from "./report-paused.ts";
import { WorkLeft } from "./work-left.ts";

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
  readonly progress: Progress;
  /** Receives the reason when a source cannot be embedded for now. The backfill keeps waiting for it. */
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
  const listener = createListener(config);
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
  const counts = countEvents(events, all);
  const left = new WorkLeft(db, events, sources);
  const reportProblem = reportOnce(all, options.onProblem);
  events.on("source_failing", reportProblem);
  // An error is thrown where `started` is awaited. Until then this handler keeps it from ending the process.
  started.catch(() => undefined);
  const ending = new AbortController();
  let beginning: Promise<void> | undefined;
  let counting: Promise<void> | undefined;
  try {
    let queued = await pendingRows(db, all);
    let pending = queued;
    const figures = (): ProgressFigures => {
      const total = queued + left.total;
      return { ...counts, done: Math.max(0, total - pending), total };
    };
    events.on("split", ({ chunks }) => (queued += chunks));
    const reportPausedSources = reportPaused(db, all, options.onPaused);
    const reportBatches = reportBatchesOf(db, sources, options.onBatches);
    const show = async (rows: number): Promise<void> => {
      await reportBatches();
      await left.look();
      pending = rows + left.rows;
      if (pending > 0) await reportPausedSources();
      progress.show(figures());
    };
    let isBegun = false;
    // Begin while the listener starts: a provider's first answer may take long.
    const until = AbortSignal.any([signal, ending.signal]);
    const work = { ...options, signal: until };
    beginning = pendingOnly ? Promise.resolve() : beginAll(db, sources, work, (rows) => (queued += rows));
    let failed = false;
    beginning.then(
      () => (isBegun = true),
      () => (failed = true),
    );
    if (!pendingOnly) counting = countAll(db, config, sources, started, work, left).catch(() => undefined);
    await started;
    const look = { db, events, show, signal };
    await pollUntil(() => failed || (isBegun && left.running === left.stopped), { ...look, sources: all });
    await beginning;
    // Texts first: their chunks are queued as they are cut.
    const showAll = async (): Promise<void> => {
      await show(await pendingRows(db, all));
    };
    if (chunked.length > 0) await waitForPending({ ...look, sources: chunked, show: showAll });
    await waitForPending({ ...look, sources: all });
    return {
      sources: all.map((source) => source.name),
      ...figures(),
      pending,
      isSpent: left.stopped > 0,
      seconds: (performance.now() - begun) / 1000,
    };
  } finally {
    ending.abort();
    await beginning?.catch(() => undefined); // already thrown above
    await counting;
    events.off("source_failing", reportProblem);
    left.end();
    progress.end();
    await db.destroy();
  }
}

/** Begins the backfill of each source, and queues the texts that are to be cut as there is room for them. */
async function beginAll(
  db: Database,
  sources: readonly Source[],
  { chunked = [], all, batch = false, limits, signal }: BackfillOptions,
  onQueued: (rows: number) => void,
): Promise<void> {
  for (const source of sources) {
    if (signal.aborted) return;
    await beginEmbedding(db, source, { isAll: all, inBatches: batch, limits });
  }
  for (const chunkedSource of chunked) await queueTextsToCut(db, chunkedSource, all, signal, onQueued);
}

/** For the progress alone: where it fails, what is done is shown, and not of how much. */
async function countAll(
  db: Database,
  config: Config,
  sources: readonly Source[],
  started: Promise<void>,
  { all, signal }: BackfillOptions,
  left: WorkLeft,
): Promise<void> {
  for (const source of sources) {
    const model = await modelOf(db, config, source, started, signal);
    for await (const rows of countStale(db, source, model, all)) {
      if (signal.aborted) return;
      left.counted(rows);
    }
  }
}

/** Probes the provider, after the listener has, only if no setting and no column gives the length of its vectors. */
async function modelOf(
  db: Database,
  config: Config,
  source: Source,
  started: Promise<void>,
  signal: AbortSignal,
): Promise<LedgerModel> {
  const dimensions = knownDimensions(config, source);
  if (dimensions === null) await started;
  const named = await withProvider(config, source, { dimensions, signal }, (provider) =>
    rowModel(provider, onTooLong(config, source)),
  );
  return await registerModel(db, named, source.vectorType);
}

/** Counts what was done for these sources. The listener works for every source. */
function countEvents(
  events: Events,
  sources: readonly Source[],
): { cached: number; failed: number; tokens: number } {
  const counts = { cached: 0, failed: 0, tokens: 0 };
  const isOurs = ({ source }: { readonly source: string }): boolean =>
    sources.some(({ name }) => name === source);
  events.on("cached", (event) => (counts.cached += isOurs(event) ? event.rows : 0));
  events.on("failed", (event) => (counts.failed += isOurs(event) ? event.rows : 0));
  events.on("answered", (event) => (counts.tokens += isOurs(event) ? event.tokens : 0));
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
