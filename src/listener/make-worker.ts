import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { SplitWorker } from "../passages/split-worker.ts";
import type { Splitter } from "../passages/splitter.ts";
import type { Owner } from "../pipeline/claim-batch.ts";
import { Claims } from "../pipeline/claims.ts";
import type { Events } from "../pipeline/events.ts";
import type { Lanes } from "../pipeline/lanes.ts";
import { metered } from "../pipeline/metered.ts";
import { SourceWorker } from "../pipeline/source-worker.ts";
import type { Embedder } from "../pipeline/work.ts";
import { WriteSize } from "../pipeline/write-size.ts";
import { cacheModel } from "../providers/provider.ts";
import { ownSettings } from "../sources/own-settings.ts";
import type { Source } from "../sources/source.ts";
import type { Budget } from "./budget.ts";
import type { Providers } from "./providers.ts";

/** What the workers of all sources share. */
export interface Surroundings {
  readonly db: Database;
  /** Its sessions keep their plans. */
  readonly batches: Database;
  readonly config: Config;
  readonly providers: Providers;
  readonly budget: Budget;
  readonly events: Events;
  readonly writes: Lanes;
  readonly owner: Owner;
}

/** Embeds the texts of a source, or cuts them into passages. */
export type Worker = SourceWorker | SplitWorker;

/** Requests that wait ready, beside the one that is being put together: more gained nothing at 0 and at 150 ms. */
const WAITING = 1;

export function makeSourceWorker(
  { db, batches, config, budget, events, writes, owner }: Surroundings,
  source: Source,
  provider: Embedder,
  vectorOid: number,
): SourceWorker {
  const own = ownSettings(source.settings);
  const work = {
    db,
    batches: source.isLookedUp ? batches : db,
    source,
    provider: metered(provider, source.name, events, budget),
    cacheModel: cacheModel(provider),
    vectorOid,
    settings: {
      batchSize: own.batch_size ?? config.EMBED_BATCH_SIZE,
      concurrency: own.concurrency ?? config.EMBED_MAX_CONCURRENCY,
      // What waits is sent, though the day's budget be used up meanwhile.
      waiting: config.EMBED_DAILY_TOKEN_BUDGET === undefined ? WAITING : 0,
      onTooLong: config.EMBED_ON_TOO_LONG,
    },
    claims: new Claims(db, source, cacheModel(provider)),
    writes,
    writeSize: new WriteSize(),
    events,
  };
  return new SourceWorker(work, owner);
}

/** @param onSplit called when passages were made, which are embedded by another worker */
export function makeSplitWorker(
  { db, events, owner }: Surroundings,
  source: Splitter,
  onSplit: () => void,
): SplitWorker {
  return new SplitWorker({ db, source, events, onSplit }, owner);
}
