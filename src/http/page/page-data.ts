import type { Logger } from "pino";
import type { Config } from "../../config.ts";
import type { Database } from "../../database/connect.ts";
import type { Listener } from "../../listener/listener.ts";
import { latestFailures, type FailedRow } from "../../queue/failures.ts";
import { loadSources } from "../../sources/load-sources.ts";
import type { Source } from "../../sources/source.ts";
import { listenerStatus, usageToday, type ListenerStatus } from "../../status/collect-status.ts";
import type { CountedRows, QueueStatus } from "../../status/source-status.ts";
import { sampleSources, type SourceSample } from "../../status/sample-sources.ts";
import type { Cached } from "../cached.ts";
import type { Guard } from "../guard.ts";
import type { History } from "../history.ts";
import type { RowCounts } from "./row-counts.ts";

export interface PageContext {
  readonly db: Database;
  readonly config: Config;
  readonly listener: Listener;
  readonly history: History;
  readonly guard: Guard;
  readonly data: Cached<PageData>;
  readonly log: Logger;
}

export interface PageSource extends Omit<SourceSample, "written">, Pick<QueueStatus, "today"> {
  /** Rows with a text, current and outdated rows; undefined until the first count has finished. */
  readonly progress: CountedRows | undefined;
  /** The latest failures: keys and reasons, never a text. */
  readonly failures: readonly FailedRow[];
}

export interface PageData {
  readonly at: Date;
  readonly sources: readonly PageSource[];
  readonly listeners: readonly ListenerStatus[];
}

const SHOWN_FAILURES = 8;

export async function collectPageData(db: Database, rowCounts: RowCounts): Promise<PageData> {
  const { usable, chunked, broken } = await loadSources(db);
  const byId = new Map<number, Source>([...usable, ...chunked].map((source) => [source.id, source]));
  const problems = new Map(broken.map((source) => [source.id, source.problem]));
  const sources: PageSource[] = [];
  for (const sample of await sampleSources(db)) {
    const source = byId.get(sample.id);
    sources.push({
      ...sample,
      problem: problems.get(sample.id) ?? sample.problem,
      today: await usageToday(db, sample.id),
      progress: source === undefined ? undefined : await rowCounts.of(source),
      failures: sample.failed === 0 ? [] : await latestFailures(db, sample.id, SHOWN_FAILURES),
    });
  }
  return { at: new Date(), sources, listeners: await listenerStatus(db) };
}
