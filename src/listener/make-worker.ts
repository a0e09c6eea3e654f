import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import type { Pgvector } from "../database/pgvector.ts";
import type { Events } from "../events.ts";
import { ChunkWorker } from "../pipeline/chunk-worker.ts";
import { EmbedWorker } from "../pipeline/embed-worker.ts";
import { UnkeptVectors } from "../pipeline/unkept-vectors.ts";
import type { WorkerLoop } from "../pipeline/worker-loop.ts";
import { WriteSize } from "../pipeline/write-size.ts";
import { payerOf } from "../providers/prices/payer-of.ts";
import { providerOfSource } from "../providers/provider-stack.ts";
import type { Provider } from "../providers/provider.ts";
import type { Lending } from "../ledger/lending.ts";
import type { Providers } from "../providers/registry.ts";
import { onTooLong, sourceSettings } from "../providers/source-settings.ts";
import type { Claimant } from "../queue/claims.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import type { Source } from "../sources/source.ts";
import type { ConcurrencyLimit } from "../timing/concurrency-limit.ts";
import { hasBudget, type Budget } from "./budget.ts";
import type { UnwrittenSpending } from "./unwritten-spending.ts";

/** What the workers of all sources share. */
export interface WorkerDependencies {
  readonly db: Database;
  /** Its sessions keep their plans. */
  readonly batches: Database;
  readonly config: Config;
  readonly providers: Providers;
  readonly budget: Budget;
  readonly spending: Pick<UnwrittenSpending, "unwrittenOf">;
  readonly events: Events;
  readonly writes: ConcurrencyLimit;
  readonly claimant: Claimant;
  /** Requests of a backfill in flight, at most, by the names of sources; else as many as there may be of all. */
  readonly backfillLanes: ReadonlyMap<string, number>;
}

/** Requests that are ready to be sent, next to the one that is being put together: more gained nothing at 0 and at 150 ms. */
const WAITING = 1;

export function makeEmbedWorker(
  { db, batches, config, budget, spending, events, writes, claimant, backfillLanes }: WorkerDependencies,
  source: Source,
  provider: Provider,
  pgvector: Pgvector,
  lending: Lending,
): WorkerLoop {
  const own = sourceSettings(source.settings);
  const batchSize = own.batch_size ?? config.EMBED_BATCH_SIZE;
  const context = {
    db,
    batches: source.hasSingleKeyLookup ? batches : db,
    source,
    provider: providerOfSource(provider, payerOf(config, source), events, budget, batchSize),
    lending,
    unwrittenCost: () => spending.unwrittenOf(source.name),
    pgvector,
    settings: {
      batchSize,
      concurrency: own.concurrency ?? config.EMBED_MAX_CONCURRENCY,
      // A request that is ready is sent, even when the day's budget has been used up since.
      waiting: hasBudget(config) ? 0 : WAITING,
      onTooLong: onTooLong(config, source),
      backfillLanes: backfillLanes.get(source.name),
    },
    writes,
    writeSize: new WriteSize(),
    unkept: new UnkeptVectors(),
    events,
  };
  return new EmbedWorker(context, claimant).loop;
}

/** @param onSplit called when chunks were made, which another worker embeds */
export function makeChunkWorker(
  { db, events, claimant }: WorkerDependencies,
  source: ChunkedSource,
  onSplit: () => void,
): WorkerLoop {
  return new ChunkWorker({ db, source, events, onSplit }, claimant).loop;
}
