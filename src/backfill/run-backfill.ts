import { sql } from "kysely";
import type { Config } from "../config.ts";
import { connect, directUrl, type Database } from "../database/connect.ts";
import { createListener, type Listener } from "../listener/listener.ts";
import type { Events } from "../events.ts";
import { cacheModel } from "../providers/provider.ts";
import { openProvider, openProviderWithoutProbe } from "../providers/open-provider.ts";
import { resolveProviderSettings } from "../providers/resolve-provider-settings.ts";
import type { Source } from "../sources/source.ts";
import { queueStaleChunkedRows } from "./queue-stale-chunked-rows.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import { queueStaleRows } from "./find-work.ts";
import { pollUntil, pendingRows, waitForPending } from "../queue/wait-for-pending.ts";
import type { Progress, ProgressFigures } from "./progress.ts";
import { tellPaused } from "./tell-paused.ts";

interface BackfillOptions {
  /** What cuts texts into the passages that the sources embed. */
  readonly chunked?: readonly ChunkedSource[];
  /** Every row, whether it has a vector or not. */
  readonly all: boolean;
  readonly progress: Progress;
  /** Told why a source cannot be embedded just now: it is waited for, and should not be in silence. */
  readonly onTrouble?: (problem: string) => void;
  /** Told which sources were paused meanwhile: they are waited for as well. */
  readonly onPaused?: (names: readonly string[]) => void;
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

/**
 * Queues every row that has no current vector and drains the queue, together with whatever listener runs beside. What
 * is done is done: interrupted, it goes on where it stopped.
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

/** The same with a listener that is kept when it has ended, and whose start is waited for. */
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
  const db = connect({
    databaseUrl: directUrl(config),
    maxConnections: 2,
    ownSessions: true,
    queryTimeoutMs: LONGEST_STATEMENT_MS,
  });
  const counts = countEvents(events, all);
  const tell = tellOnce(all, options.onTrouble);
  events.on("troubled", tell);
  // Thrown where they are awaited; until then they are not unheard, which would end the process.
  started.catch(() => undefined);
  const ending = new AbortController();
  let queued: Promise<void> | undefined;
  try {
    let total = await pendingRows(db, all);
    let pending = total;
    events.on("split", ({ passages }) => (total += passages));
    const lookForPaused = tellPaused(db, all, options.onPaused);
    const show = async (rows: number): Promise<void> => {
      pending = rows;
      if (rows > 0) await lookForPaused();
      progress.show({ ...counts, done: Math.max(0, total - pending), total });
    };
    let queueing = true;
    // While the listener starts: a provider may take long to answer for the first time.
    const until = AbortSignal.any([signal, ending.signal]);
    queued = queueAll(db, config, sources, started, { ...options, signal: until }, (rows) => (total += rows));
    void queued.catch(() => undefined).then(() => (queueing = false));
    await started;
    const look = { db, events, show, signal };
    await pollUntil(() => !queueing, { ...look, sources: all });
    await queued;
    // Texts first: their passages are queued as they are cut.
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
    await queued?.catch(() => undefined); // thrown already
    events.off("troubled", tell);
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
      if (rows > 0) await sql`select pg_notify('autoembed', ${String(source.id)})`.execute(db);
      if (signal.aborted) return;
    }
  };
  for (const chunkedSource of chunked)
    await queue(chunkedSource, queueStaleChunkedRows(db, chunkedSource, all, signal));
  for (const source of sources) {
    if (signal.aborted) return;
    const cacheModel = await cacheModelOf(config, source, started, signal);
    await queue(source, queueStaleRows(db, { source, cacheModel, all, signal }));
  }
}

/** Asks the provider, after the listener has, only where nothing else tells how long its vectors are. */
async function cacheModelOf(
  config: Config,
  source: Source,
  started: Promise<void>,
  signal: AbortSignal,
): Promise<string> {
  const settings = resolveProviderSettings(config, source);
  const dimensions = settings.dimensions ?? source.columnDimensions;
  if (dimensions === null) await started;
  const provider =
    dimensions === null
      ? await openProvider(settings, signal)
      : openProviderWithoutProbe({ ...settings, dimensions });
  await provider.close();
  return cacheModel(provider);
}

/** What was done for these sources: the listener works for all that there are. */
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

/** Tells a problem of one of these sources, or of all, when it is another than the last. */
function tellOnce(sources: readonly Source[], onTrouble: BackfillOptions["onTrouble"]) {
  let told: string | undefined;
  return ({ source, problem }: { readonly source: string; readonly problem: string }): void => {
    if (problem === told || (source !== "" && !sources.some(({ name }) => name === source))) return;
    told = problem;
    onTrouble?.(source === "" ? problem : `${source}: ${problem}`);
  };
}
