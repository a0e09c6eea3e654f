import { Batches } from "../batches/batches.ts";
import type { Config } from "../config.ts";
import { WRITERS } from "../database/connection-shares.ts";
import type { Events } from "../events.ts";
import { Membership } from "../membership/membership.ts";
import { Providers } from "../providers/registry.ts";
import { ConcurrencyLimit } from "../timing/concurrency-limit.ts";
import { AskedQuestions } from "./asked-questions.ts";
import { Budget } from "./budget.ts";
import { checkPrices } from "./check-prices.ts";
import type { ListenerPools } from "./listener-pools.ts";
import { Pruning } from "./prune.ts";
import { SourceWorkers } from "./source-workers.ts";
import { UnwrittenSpending } from "./unwritten-spending.ts";
import { Usage } from "./usage.ts";

/** What a listener is made of, but for what wakes it and lets it sleep. */
export interface ListenerParts {
  readonly providers: Providers;
  readonly budget: Budget;
  readonly usage: Usage;
  readonly spending: UnwrittenSpending;
  readonly membership: Membership;
  readonly workers: SourceWorkers;
  readonly providerBatches: Batches;
  readonly questions: AskedQuestions;
  readonly pruning: Pruning;
}

interface PartsOptions {
  readonly config: Config;
  readonly pools: ListenerPools;
  readonly events: Events;
  readonly backfillLanes: ReadonlyMap<string, number>;
  /** Something needs this listener to be registered. */
  readonly onNeeded: () => void;
}

/** Makes the parts, and begins nothing. */
export function makeParts({ config, pools, events, backfillLanes, onNeeded }: PartsOptions): ListenerParts {
  const { db, batches } = pools;
  const usage = new Usage(events);
  const spending = new UnwrittenSpending(events);
  const budget = new Budget(config, events);
  const providers = new Providers(config, events);
  const membership: Membership = new Membership({
    db,
    heartbeatDb: pools.heartbeat,
    describe: () => ({
      providers: providers.describe(),
      in_flight: workers.inFlight,
      answers_questions: true,
      budget: budget.exhausted,
    }),
    holds: (id) => workers.holds(id),
    onFreed: () => {
      workers.wakeAll();
    },
    onNeeded,
  });
  const shared = { db, batches, config, providers, budget, spending, events, claimant: membership };
  const workers: SourceWorkers = new SourceWorkers({
    ...shared,
    writes: new ConcurrencyLimit(WRITERS),
    backfillLanes,
  });
  const providerBatches = new Batches({
    ...shared,
    checkPrice: (source) => {
      checkPrices(config, [source]);
    },
  });
  const questions = new AskedQuestions({ db, providers, claimant: membership, config });
  const pruning = new Pruning(db, config.EMBED_CACHE_DAYS);
  return { providers, budget, usage, spending, membership, workers, providerBatches, questions, pruning };
}
