import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { openPool } from "../database/pools.ts";
import type { Events } from "../events.ts";
import { createListener, type Listener } from "../listener/listener.ts";
import { uninstalledSignal } from "../listener/uninstalled-signal.ts";
import { pendingRows } from "../queue/counts.ts";
import { pollUntil, waitForPending } from "../queue/wait-for-pending.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import type { Source } from "../sources/source.ts";
import { Beginning, type BeginOptions } from "./beginning.ts";
import { countEvents } from "./count-events.ts";
import type { Progress, ProgressFigures } from "./progress.ts";
import { reportBatchesOf } from "./report-batches.ts";
import { reportPaused } from "./report-paused.ts";
import { reportProblems } from "./report-problems.ts";
import { Work } from "./work.ts";

interface BackfillOptions extends BeginOptions {
  /** The sources whose texts are cut into the chunks that `sources` embed. */
  readonly chunked?: readonly ChunkedSource[];
  /** Requests of a backfill that this process has in flight, at most, by the names of sources. */
  readonly lanes?: ReadonlyMap<string, number> | undefined;
  readonly progress: Progress;
  /** Receives the reason when a source cannot be embedded for now, or its provider asks for a long pause. The backfill keeps waiting for it. */
  readonly onProblem?: (problem: string) => void;
  /** Receives what has become of the batches of a source, whenever that changes. */
  readonly onBatches?: (report: string) => void;
  /** Receives the names of sources that were paused during the backfill. The backfill keeps waiting for them. */
  readonly onPaused?: (names: readonly string[]) => void;
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
  const { chunked = [], progress } = options;
  const begunAt = performance.now();
  const db = openPool("backfill", config);
  const counts = countEvents(events, sources, chunked);
  const work = new Work(db, events, sources, chunked, options.all);
  const stopReporting = reportProblems(events, [...chunked, ...sources], options.onProblem);
  const figures = (): ProgressFigures => ({ ...counts, done: work.done, total: work.total });
  // An error is thrown where `started` is awaited. Until then this handler keeps it from ending the process.
  started.catch(() => undefined);
  let beginning: Beginning | undefined;
  try {
    await work.begin();
    beginning = new Beginning(db, config, started, sources, work, options);
    await started;
    await waitForAll({ db, events, sources, work, beginning, figures }, options);
    return {
      sources: work.names,
      ...figures(),
      pending: work.pending,
      isSpent: work.stopped > 0,
      seconds: (performance.now() - begunAt) / 1000,
    };
  } finally {
    await beginning?.end();
    stopReporting();
    work.end();
    progress.end();
    await db.destroy();
  }
}

interface Underway {
  readonly db: Database;
  readonly events: Events;
  readonly sources: readonly Source[];
  readonly work: Work;
  readonly beginning: Beginning;
  readonly figures: () => ProgressFigures;
}

/** Shows the progress until the backfills, and then all that was pending at their end, are done. */
async function waitForAll(
  { db, events, sources, work, beginning, figures }: Underway,
  { chunked = [], progress, signal, onBatches, onPaused }: BackfillOptions,
): Promise<void> {
  const all = [...chunked, ...sources];
  const reportPausedSources = reportPaused(db, all, onPaused);
  const reportBatches = reportBatchesOf(db, sources, onBatches);
  const show = async (rows: number): Promise<void> => {
    await reportBatches();
    await work.look(rows, beginning.state === "begun");
    if (work.pending > 0) await reportPausedSources();
    progress.show(figures(), work.isCounted);
  };
  const wait = { db, events, signal, sources: all, show };
  await pollUntil(() => beginning.state === "failed" || work.hasEnded, wait);
  await beginning.backfills;
  // Texts first: their chunks are queued as they are cut.
  const showAll = async (): Promise<void> => {
    await show(await pendingRows(db, all));
  };
  if (chunked.length > 0) await waitForPending({ ...wait, sources: chunked, show: showAll });
  await waitForPending(wait);
}
