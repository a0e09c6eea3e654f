import type { Logger } from "pino";
import { readBatches } from "../../batches/batch-progress.ts";
import type { Config } from "../../config.ts";
import type { Database } from "../../database/connect.ts";
import type { Listener } from "../../listener/listener.ts";
import { spentToday } from "../../ledger/spending.ts";
import { listDateOf } from "../../providers/prices/price-of.ts";
import { failuresByReason, type FailuresOfReason } from "../../queue/failures.ts";
import type { Searcher } from "../../search/searcher.ts";
import { loadSources } from "../../sources/load-sources.ts";
import type { Source } from "../../sources/source.ts";
import {
  backfillStatus,
  listenerStatus,
  usageToday,
  type ListenerStatus,
  type Status,
} from "../../status/collect-status.ts";
import type { CountedRows, QueueStatus, SourceStatus } from "../../status/source-status.ts";
import { sampleSources, type SourceSample } from "../../status/sample-sources.ts";
import { usageByDay, type UsageOfDay } from "../../status/usage-by-day.ts";
import type { Cached } from "../cached.ts";
import type { Guard } from "../guard.ts";
import type { History } from "../history.ts";
import type { RowCounts } from "./row-counts.ts";

export interface PageContext {
  readonly db: Database;
  readonly config: Config;
  readonly listener: Listener;
  readonly searcher: Searcher;
  readonly history: History;
  readonly guard: Guard;
  readonly data: Cached<PageData>;
  readonly log: Logger;
}

export interface PageSource
  extends
    Omit<SourceSample, "written">,
    Pick<QueueStatus, "today" | "backfilled" | "batches">,
    Pick<SourceStatus, "chunks_of"> {
  /** Rows with a text, current and stale rows; undefined until the first count has finished. */
  readonly progress: CountedRows | undefined;
}

export interface PageData {
  readonly at: Date;
  readonly sources: readonly PageSource[];
  readonly listeners: readonly ListenerStatus[];
  /** Failed rows by reason: keys and reasons, never a text. */
  readonly reasons: readonly FailuresOfReason[];
  readonly week: readonly UsageOfDay[];
  readonly spent: Omit<Status["spent_today"], "budgets">;
}

export const SHOWN_DAYS = 7;
const SHOWN_FAILURES = 5;

export async function collectPageData(db: Database, config: Config, rowCounts: RowCounts): Promise<PageData> {
  const { usable, chunked, broken } = await loadSources(db);
  const byId = new Map<number, Source>([...usable, ...chunked].map((source) => [source.id, source]));
  const problems = new Map(broken.map((source) => [source.id, source.problem]));
  const batches = await readBatches(db);
  const sources: PageSource[] = [];
  for (const sample of await sampleSources(db)) {
    const source = byId.get(sample.id);
    sources.push({
      ...sample,
      chunks_of: chunked.find(({ embeddedBy }) => embeddedBy === sample.id)?.name ?? null,
      problem: problems.get(sample.id) ?? sample.problem,
      today: await usageToday(db, sample.id),
      backfilled: (await backfillStatus(db, sample.id)).backfilled,
      batches: batches.get(sample.id) ?? null,
      progress: source === undefined ? undefined : await rowCounts.of(source),
    });
  }
  const hasFailed = sources.some(({ failed }) => failed > 0);
  return {
    at: new Date(),
    sources: withChunksNext(sources),
    listeners: await listenerStatus(db),
    reasons: hasFailed ? await failuresByReason(db, undefined, SHOWN_FAILURES) : [],
    week: await usageByDay(db, SHOWN_DAYS),
    spent: { ...(await spentToday(db)), prices_listed_on: listDateOf(config, usable) },
  };
}

/** Chunks come next to the texts that they are cut from. */
function withChunksNext(sources: readonly PageSource[]): PageSource[] {
  const named = new Set(sources.map(({ name }) => name));
  const first = sources.filter(({ chunks_of: parent }) => parent === null || !named.has(parent));
  return first.flatMap((source) => [source, ...sources.filter((one) => one.chunks_of === source.name)]);
}
