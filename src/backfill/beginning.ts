import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import type { BackfillLimits } from "../pages/limits.ts";
import type { Source } from "../sources/source.ts";
import { beginEmbedding, queueTextsToCut } from "./begin-work.ts";
import { countLeft } from "./count-left.ts";
import type { Work } from "./work.ts";

export interface BeginOptions {
  /** Embeds every row, even if it has a current vector. */
  readonly all: boolean;
  /** Through the providers' batch APIs. */
  readonly batch?: boolean;
  /** Begins no backfill: embeds what is pending, and takes part in the backfills that are under way. */
  readonly pendingOnly?: boolean;
  /** Of the one source that there is then. */
  readonly limits?: BackfillLimits | undefined;
  readonly signal: AbortSignal;
}

/** The backfills being begun, and what there is to do being counted, while the listener starts: its provider's first answer may take long. */
export class Beginning {
  readonly #ending = new AbortController();
  readonly #backfills: Promise<void>;
  readonly #counting: Promise<void> | undefined;
  #state: "under way" | "begun" | "failed" = "under way";

  constructor(
    db: Database,
    config: Config,
    started: Promise<void>,
    sources: readonly Source[],
    work: Work,
    given: BeginOptions,
  ) {
    const options = { ...given, signal: AbortSignal.any([given.signal, this.#ending.signal]) };
    if (given.pendingOnly === true) {
      work.isCounted = true;
      this.#backfills = Promise.resolve();
    } else {
      const { firstTexts, all } = countLeft(db, config, started, work, options);
      this.#counting = all;
      this.#backfills = beginAll(db, sources, work, firstTexts, options);
    }
    this.#backfills.then(
      () => (this.#state = "begun"),
      () => (this.#state = "failed"),
    );
  }

  get state(): "under way" | "begun" | "failed" {
    return this.#state;
  }

  /** Resolves when every backfill has begun, and every text to cut is queued. @throws why one could not begin */
  get backfills(): Promise<void> {
    return this.#backfills;
  }

  /** Never throws. */
  async end(): Promise<void> {
    this.#ending.abort();
    await Promise.allSettled([this.#backfills, this.#counting]);
  }
}

/** Begins the backfill of each source, and queues the texts that are to be cut as there is room for them. */
async function beginAll(
  db: Database,
  sources: readonly Source[],
  work: Work,
  firstTexts: Promise<unknown>,
  { all, batch = false, limits, signal }: BeginOptions,
): Promise<void> {
  if (work.inChunks.length > 0) await firstTexts;
  for (const source of sources) {
    if (signal.aborted) return;
    await beginEmbedding(db, source, { isAll: all, inBatches: batch, limits });
    work.inChunks.find(({ embedder }) => embedder.id === source.id)?.begun();
  }
  for (const texts of work.inChunks) {
    await queueTextsToCut(db, texts.source, all, signal, (rows) => {
      texts.queued(rows);
    });
  }
}
