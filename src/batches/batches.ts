import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { describeDatabaseError } from "../database/database-fault.ts";
import { findPgvector } from "../database/pgvector.ts";
import type { Events } from "../events.ts";
import { registerModel } from "../ledger/model.ts";
import { rowModel } from "../providers/fingerprint.ts";
import { costOf, priceOf } from "../providers/prices/price-of.ts";
import { ProviderError } from "../providers/provider-error.ts";
import { usageModel } from "../providers/provider.ts";
import { openBatchApi } from "../providers/describe-provider.ts";
import type { Providers } from "../providers/registry.ts";
import { onTooLong } from "../providers/source-settings.ts";
import type { Claimant } from "../queue/claims.ts";
import { checkDimensions } from "../sources/check-dimensions.ts";
import { checkGrants } from "../sources/missing-grants.ts";
import { loadSources } from "../sources/load-sources.ts";
import type { Source } from "../sources/source.ts";
import { repeat } from "../timing/repeat.ts";
import type { BatchBudget, BatchContext } from "./batch-context.ts";
import { LostBatch } from "./batch.ts";
import { fillBatch } from "./fill.ts";
import { freeTaken } from "./pages.ts";
import { NO_BATCHES } from "./providers-with-batches.ts";
import { advanceBatch } from "./step.ts";
import { whyNotPaid } from "./unread-cost.ts";
import { beginBatch, findDueSources, takeBatch } from "./store.ts";

const LOOK_MS = 1_000;
/** How long a source is left alone whose provider cannot be opened, or whose table has a fault. */
const BROKEN_MS = 30_000;

interface BatchesOptions {
  readonly db: Database;
  readonly batches: Database;
  readonly config: Config;
  readonly providers: Pick<Providers, "for">;
  readonly spending: { unwrittenOf(source: string): number };
  /** Why nothing is sent for now. */
  readonly budget: BatchBudget;
  /** @throws {UsageError} where the day's budget is money, and the price of the source is not known */
  readonly checkPrice: (source: Source) => void;
  readonly events: Events;
  readonly claimant: Claimant;
}

/** Does what the batches of all sources need next, for one batch per source at a time. */
export class Batches {
  readonly #options: BatchesOptions;
  readonly #stopping = new AbortController();
  readonly #running = new Map<number, Promise<void>>();
  readonly #brokenUntil = new Map<number, number>();
  /** Sources whose last work ended in a fault: pages may still be taken for them. */
  readonly #untidy = new Set<number>();
  #stopLooking: (() => void) | undefined;

  constructor(options: BatchesOptions) {
    this.#options = options;
  }

  start(): void {
    this.#stopLooking = repeat(LOOK_MS, () => this.#look());
  }

  /** Looks no more, until it is started again. */
  rest(): void {
    this.#stopLooking?.();
  }

  /** Leaves every batch as it is; the provider goes on with those that it has. */
  async stop(): Promise<void> {
    this.rest();
    this.#stopping.abort();
    await Promise.all(this.#running.values());
  }

  async #look(): Promise<void> {
    const { db, claimant } = this.#options;
    const now = performance.now();
    const owner = await claimant.id();
    await this.#tidy(owner);
    const due = (await findDueSources(db, owner)).filter(
      (id) => !this.#running.has(id) && (this.#brokenUntil.get(id) ?? 0) <= now,
    );
    if (due.length === 0) return;
    const { usable } = await loadSources(db);
    for (const source of usable) {
      if (!due.includes(source.id) || this.#stopping.signal.aborted) continue;
      const running = this.#work(source).finally(() => this.#running.delete(source.id));
      this.#running.set(source.id, running);
    }
  }

  async #tidy(owner: number): Promise<void> {
    for (const id of this.#untidy) {
      if (this.#running.has(id)) continue;
      await freeTaken(this.#options.db, owner, id);
      this.#untidy.delete(id);
    }
  }

  /** Never throws: a fault is reported, and the source is tried again later. */
  async #work(source: Source): Promise<void> {
    try {
      const context = await this.#open(source);
      try {
        await this.#advanceAll(context);
      } finally {
        await context.api.close();
      }
    } catch (error) {
      this.#untidy.add(source.id);
      if (this.#stopping.signal.aborted || error instanceof LostBatch) return;
      this.#brokenUntil.set(source.id, performance.now() + BROKEN_MS);
      const problem = error instanceof ProviderError ? error.message : describeDatabaseError(error);
      this.#options.events.emit("source_failing", { source: source.name, problem: `batch: ${problem}` });
    }
  }

  async #advanceAll(context: BatchContext): Promise<void> {
    const { db, source, owner, model, signal } = context;
    while (!signal.aborted) {
      const batch = await takeBatch(db, source, owner);
      if (batch !== undefined) {
        await advanceBatch(context, batch);
        continue;
      }
      if ((await whyNotPaid(context)) !== undefined) return;
      const begun = await beginBatch(db, source, owner, model.id);
      if (begun === undefined || !(await advanceBatch(context, begun, fillBatch))) return;
    }
  }

  async #open(source: Source): Promise<BatchContext> {
    const { db, batches, budget, spending, config, providers, events, claimant } = this.#options;
    this.#options.checkPrice(source);
    await checkGrants(this.#options.db, source);
    const provider = await providers.for(source);
    checkDimensions(source, provider);
    const named = rowModel(provider, onTooLong(config, source));
    const model = await registerModel(db, named, source.vectorType);
    const owner = await claimant.id();
    const pgvector = await findPgvector(db);
    const api = await openBatchApi(config, source);
    if (api === undefined) throw new ProviderError("setup", `${provider.backend} ${NO_BATCHES}`);
    return {
      db,
      writer: source.hasSingleKeyLookup ? batches : db,
      source,
      api,
      model,
      usageModel: usageModel(provider),
      price: costOf(1e6 * api.priceFactor, priceOf(config, source).perMillion),
      dimensions: provider.dimensions,
      pgvector,
      textCharacters: provider.limits.textCharacters,
      texts: config.EMBED_BATCH_API_TEXTS,
      owner,
      budget,
      unwrittenCost: () => spending.unwrittenOf(source.name),
      events,
      signal: this.#stopping.signal,
    };
  }
}
