import { SetupError } from "../errors.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import { ProviderError } from "../providers/provider-error.ts";
import { checkGrants } from "../sources/missing-grants.ts";
import type { Pgvector } from "../database/pgvector.ts";
import type { Sources } from "../sources/load-sources.ts";
import type { Source } from "../sources/source.ts";
import { checkDimensions } from "../sources/check-dimensions.ts";
import { makeEmbedWorker, makeChunkWorker, type WorkerDependencies, type Worker } from "./make-worker.ts";
import { SourceProblems } from "./source-problems.ts";
import { withTimeout } from "../timing/with-timeout.ts";

interface Running {
  /** The source as it was when its worker was made: another means another worker. */
  readonly fingerprint: string;
  readonly worker: Worker;
}

interface Beginning {
  readonly fingerprint: string;
  readonly begun: Promise<void>;
}

/** How long the start waits for a provider that does not answer; its source begins when it does. */
const FIRST_ANSWER_MS = 5_000;

/** One worker a source, so that a slow, broken or paused one delays no other. */
export class SourceWorkers {
  readonly #around: WorkerDependencies;
  readonly #running = new Map<number, Running>();
  /** Workers whose source has changed or gone, until the last of their claims has ended. */
  readonly #retired = new Set<Worker>();
  readonly #beginning = new Map<number, Beginning>();
  readonly #troubles: SourceProblems;
  /** The sources that were there at the start. */
  #first: readonly Promise<void>[] | undefined;
  #pgvector: Pgvector = { schema: "", vectorOid: 0 };
  #refreshing: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(surroundings: WorkerDependencies) {
    this.#around = surroundings;
    this.#troubles = new SourceProblems(surroundings.db, surroundings.events);
  }

  get inFlight(): number {
    return this.#all().reduce((sum, worker) => sum + worker.inFlight, 0);
  }

  /** Claims that have ended here and still stand in the queue. */
  get stranded(): number {
    return this.#all().reduce((sum, worker) => sum + worker.work.claims.stranded, 0);
  }

  /** Claims that were asked for, and are not answered yet. */
  get unanswered(): number {
    return this.#all().reduce((sum, worker) => sum + worker.work.claims.unanswered, 0);
  }

  /** Whether anything that was claimed under that `embedding_listener.id` is still held. */
  holds(owner: number): boolean {
    return this.#all().some((worker) => worker.work.claims.holds(owner));
  }

  /** Whether any worker claims, or waits to. */
  get isDraining(): boolean {
    return this.#all().some((worker) => worker.isDraining);
  }

  get count(): number {
    return this.#all().length;
  }

  /** Whether nothing is claimed by any worker. */
  get quiet(): boolean {
    return this.inFlight === 0;
  }

  /** Starts a worker for every source; each works as soon as its provider answers. */
  async open(sources: Sources, pgvector: Pgvector): Promise<void> {
    this.#pgvector = pgvector;
    await this.#follow(sources);
  }

  /**
   * Resolves when the first source can work, or after some seconds: a provider that hangs must not keep the listener
   * from what it can do.
   * @throws when none can until somebody acts, the first reason.
   */
  async begun(): Promise<void> {
    const first = Promise.any(this.#first ?? []);
    const hopeless = first.then(nothing, (error: unknown) =>
      error instanceof AggregateError ? (error.errors as unknown[]).find(needsSomebody) : undefined,
    );
    const problem = await withTimeout(FIRST_ANSWER_MS, hopeless, nothing);
    if (problem !== undefined) throw problem;
  }

  /** Follows what has changed among the sources; a look that failed does not keep the next from doing so. */
  async refresh(sources: Sources): Promise<void> {
    this.#refreshing = this.#refreshing.catch(nothing).then(() => this.#follow(sources));
    await this.#refreshing;
  }

  wake(sourceId: number): void {
    this.#running.get(sourceId)?.worker.wake();
  }

  wakeAll(): void {
    for (const worker of this.#workers()) worker.wake();
  }

  async releaseStranded(): Promise<void> {
    for (const { work } of this.#all()) await work.claims.releaseStranded();
    for (const worker of this.#retired) {
      if (worker.inFlight === 0 && worker.work.claims.stranded === 0) this.#retired.delete(worker);
    }
  }

  /** @returns how many rows were put back unsettled. */
  async close(deadline: AbortSignal): Promise<number> {
    this.#closed = true;
    const left = await Promise.all(this.#all().map((worker) => worker.stop(deadline)));
    await this.#around.providers.close();
    return left.reduce((sum, rows) => sum + rows, 0);
  }

  async #follow(sources: Sources): Promise<void> {
    const beginning: Promise<void>[] = [];
    const active = <T extends Source>(all: readonly T[]): T[] => all.filter((source) => !source.paused);
    const wanted = new Map(active(sources.usable).map((source) => [source.id, source]));
    const toSplit = new Map(active(sources.chunked).map((source) => [source.id, source]));
    for (const [id, { fingerprint, worker }] of this.#running) {
      const source = wanted.get(id) ?? toSplit.get(id);
      if (source !== undefined && fingerprintOf(source) === fingerprint) continue;
      this.#running.delete(id);
      this.#retired.add(worker);
      void worker.stop(AbortSignal.timeout(this.#around.config.EMBED_SHUTDOWN_MS));
    }
    for (const source of sources.broken) await this.#troubles.troubled(source, source.trouble);
    for (const source of toSplit.values())
      if (!this.#running.has(source.id)) await this.#beginSplitting(source);
    for (const source of wanted.values()) {
      if (this.#running.has(source.id) || this.#isBeginning(source)) continue;
      // Not awaited: a provider that does not answer keeps no other source waiting.
      const begun = this.#begin(source).finally(() => {
        if (this.#isBeginning(source)) this.#beginning.delete(source.id);
      });
      this.#beginning.set(source.id, { fingerprint: fingerprintOf(source), begun });
      beginning.push(begun);
      begun.catch(() => undefined); // told as trouble, and tried again at the next look
    }
    this.#first ??= beginning;
  }

  async #begin(source: Source): Promise<void> {
    try {
      const provider = await this.#around.providers.for(source);
      checkDimensions(source, provider);
      await checkGrants(this.#around.db, source);
      await this.#troubles.recovered(source);
      if (this.#closed || !this.#isBeginning(source)) return;
      this.#run(source, makeEmbedWorker(this.#around, source, provider, this.#pgvector));
    } catch (error) {
      if (!this.#isBeginning(source)) return;
      await this.#troubles.troubled(source, error instanceof Error ? error.message : "unknown");
      throw error;
    }
  }

  /** Whether the source is beginning as it is now: one whose provider hangs may have been changed meanwhile. */
  #isBeginning(source: Source): boolean {
    return this.#beginning.get(source.id)?.fingerprint === fingerprintOf(source);
  }

  async #beginSplitting(source: ChunkedSource): Promise<void> {
    await this.#troubles.recovered(source);
    if (this.#closed) return;
    const onSplit = (): void => {
      this.wake(source.embeddedBy);
    };
    this.#run(source, makeChunkWorker(this.#around, source, onSplit));
  }

  #run(source: Source, worker: Worker): void {
    this.#running.set(source.id, { fingerprint: fingerprintOf(source), worker });
    worker.wake();
  }

  #workers(): Worker[] {
    return [...this.#running.values()].map(({ worker }) => worker);
  }

  #all(): Worker[] {
    return [...this.#workers(), ...this.#retired];
  }
}

function fingerprintOf(source: Source): string {
  return JSON.stringify(source);
}

/** An outage passes by itself; a wrong key, model or length does not. */
function needsSomebody(error: unknown): error is Error {
  return error instanceof SetupError || (error instanceof ProviderError && error.fault === "setup");
}

function nothing(): undefined {
  return undefined;
}
