import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import type { Pgvector } from "../database/pgvector.ts";
import { ChunkWorker } from "../pipeline/chunk-worker.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import type { Claimant } from "../pipeline/claim-batch.ts";
import { ClaimLedger } from "../queue/claim-ledger.ts";
import type { Events } from "../events.ts";
import type { ConcurrencyLimit } from "../timing/concurrency-limit.ts";
import { withUsageEvents } from "../providers/with-usage-events.ts";
import { EmbedWorker } from "../pipeline/embed-worker.ts";
import type { Embedder } from "../pipeline/source-context.ts";
import { WriteSize } from "../pipeline/write-size.ts";
import { cacheModel } from "../providers/provider.ts";
import { sourceSettings } from "../providers/source-settings.ts";
import type { Source } from "../sources/source.ts";
import type { Budget } from "./budget.ts";
import type { Providers } from "../providers/registry.ts";

/** What the workers of all sources share. */
export interface WorkerDependencies {
  readonly db: Database;
  /** Its sessions keep their plans. */
  readonly batches: Database;
  readonly config: Config;
  readonly providers: Providers;
  readonly budget: Budget;
  readonly events: Events;
  readonly writes: ConcurrencyLimit;
  readonly owner: Claimant;
}

/** Embeds the texts of a source, or cuts them into passages. */
export type Worker = EmbedWorker | ChunkWorker;

/** Requests that wait ready, beside the one that is being put together: more gained nothing at 0 and at 150 ms. */
const WAITING = 1;

export function makeEmbedWorker(
  { db, batches, config, budget, events, writes, owner }: WorkerDependencies,
  source: Source,
  provider: Embedder,
  pgvector: Pgvector,
): EmbedWorker {
  const own = sourceSettings(source.settings);
  const work = {
    db,
    batches: source.hasSingleKeyLookup ? batches : db,
    source,
    provider: withUsageEvents(provider, source.name, events, budget),
    cacheModel: cacheModel(provider),
    pgvector,
    settings: {
      batchSize: own.batch_size ?? config.EMBED_BATCH_SIZE,
      concurrency: own.concurrency ?? config.EMBED_MAX_CONCURRENCY,
      // What waits is sent, though the day's budget be used up meanwhile.
      waiting: config.EMBED_DAILY_TOKEN_BUDGET === undefined ? WAITING : 0,
      onTooLong: config.EMBED_ON_TOO_LONG,
    },
    claims: new ClaimLedger(db, source, cacheModel(provider)),
    writes,
    writeSize: new WriteSize(),
    events,
  };
  return new EmbedWorker(work, owner);
}

/** @param onSplit called when passages were made, which are embedded by another worker */
export function makeChunkWorker(
  { db, events, owner }: WorkerDependencies,
  source: ChunkedSource,
  onSplit: () => void,
): ChunkWorker {
  return new ChunkWorker({ db, source, events, onSplit }, owner);
}
