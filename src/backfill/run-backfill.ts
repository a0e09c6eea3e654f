import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { openPool } from "../database/pools.ts";
import { wakeListeners } from "../database/wake-listeners.ts";
import { createListener, type Listener } from "../listener/listener.ts";
import type { Events } from "../events.ts";
import { registerModel, type LedgerModel } from "../ledger/model.ts";
import { rowModel } from "../providers/fingerprint.ts";
import { withProvider } from "../providers/registry.ts";
import type { Source } from "../sources/source.ts";
import { queueStaleChunkedRows } from "./queue-stale-chunked-rows.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import { queueStaleRows } from "./find-work.ts";
import { knownDimensions } from "./known-dimensions.ts";
import { pendingRows } from "../queue/counts.ts";
import { pollUntil, waitForPending } from "../queue/wait-for-pending.ts";
import type { Progress, ProgressFigures } from "./progress.ts";
import { reportPaused } from "./report-paused.ts";

interface BackfillOptions {
  /** The sources whose texts are cut into the chunks that `sources` embed. */
  readonly chunked?: readonly ChunkedSource[];
  /** Queues every row, even if it has a current vector. */
  readonly all: boolean;
  readonly progress: Progress;
  /** Receives the reason when a source cannot be embedded for now. The backfill keeps waiting for it. */
  readonly onProblem?: (problem: string) => void;
  /** Receives the names of sources that were paused during the backfill. The backfill keeps waiting for them. */
  readonly onPaused?: (names: readonly string[]) => void;
  readonly signal: AbortSignal;
}

export interface BackfillReport extends ProgressFigures {
  readonly sources: readonly string[];
  readonly seconds: number;
  /** Rows left pending: the backfill was interrupted, or rows are locked. */
  readonly pending: number;
}

/**
 * Queues every row that has no current vector and drains the queue, together with the listeners that are running. An
 * interrupted backfill loses nothing: the next one continues where it stopped.
 */
export async function runBackfill(
  config: Config & { readonly DATABASE_URL: string },
  sources: readonly Source[],
  options: BackfillOptions,
): Promise<BackfillReport> {
  const listener = createListener(config);
  try {
    return await backfillWith(listener, listener.start(), config, sources, options);
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
  const { chunked = [], progress, signal } = options;
  const all = [...chunked, ...sources];
  const begun = performance.now();
  const db = openPool("backfill", config);
  const counts = countEvents(events, all);
  const reportProblem = reportOnce(all, options.onProblem);
  events.on("source_failing", reportProblem);
  // An error is thrown where `started` is awaited. Until then this handler keeps it from ending the process.
  started.catch(() => undefined);
  const ending = new AbortController();
  let queued: Promise<void> | undefined;
  try {
    let total = await pendingRows(db, all);
    let pending = total;
    events.on("split", ({ chunks }) => (total += chunks));
    const reportPausedSources = reportPaused(db, all, options.onPaused);
    const show = async (rows: number): Promise<void> => {
      pending = rows;
      if (rows > 0) await reportPausedSources();
      progress.show({ ...counts, done: Math.max(0, total - pending), total });
    };
    let queueing = true;
    // Queue rows while the listener starts: a provider's first answer may take long.
    const until = AbortSignal.any([signal, ending.signal]);
    queued = queueAll(db, config, sources, started, { ...options, signal: until }, (rows) => (total += rows));
    void queued.catch(() => undefined).then(() => (queueing = false));
    await started;
    const look = { db, events, show, signal };
    await pollUntil(() => !queueing, { ...look, sources: all });
    await queued;
    // Texts first: their chunks are queued as they are cut.
    const showAll = async (): Promise<void> => {
      await show(await pendingRows(db, all));
    };
    if (chunked.length > 0) await waitForPending({ ...look, sources: chunked, show: showAll });
    await waitForPending({ ...look, sources: all });
    return {
      sources: all.map((source) => source.name),
      ...counts,
      done: Math.max(0, total - pending),
      total,
      pending,
      seconds: (performance.now() - begun) / 1000,
    };
  } finally {
    ending.abort();
    await queued?.catch(() => undefined); // already thrown above
    events.off("source_failing", reportProblem);
    progress.end();
    await db.destroy();
  }
}

async function queueAll(
  db: Database,
  config: Config,
  sources: readonly Source[],
  started: Promise<void>,
  { chunked = [], all, signal }: BackfillOptions,
  onQueued: (rows: number) => void,
): Promise<void> {
  const queue = async (source: Source, pages: AsyncGenerator<number>): Promise<void> => {
    for await (const rows of pages) {
      onQueued(rows);
      if (rows > 0) await wakeListeners(db, source.id);
      if (signal.aborted) return;
    }
  };
  for (const chunkedSource of chunked)
    await queue(chunkedSource, queueStaleChunkedRows(db, chunkedSource, all, signal));
  for (const source of sources) {
    if (signal.aborted) return;
    const model = await modelOf(db, config, source, started, signal);
    await queue(source, queueStaleRows(db, { source, model, all, signal }));
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
    rowModel(provider, config.EMBED_ON_TOO_LONG),
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
