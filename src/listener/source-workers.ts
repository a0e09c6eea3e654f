import { onTooLong } from "../providers/source-settings.ts";
import { NoConnection, SetupError } from "../errors.ts";
import type { WorkerLoop } from "../pipeline/worker-loop.ts";
import { rowModel } from "../providers/fingerprint.ts";
import { ProviderError } from "../providers/provider-error.ts";
import type { Pgvector } from "../database/pgvector.ts";
import { checkDimensions } from "../sources/check-dimensions.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import type { Sources } from "../sources/load-sources.ts";
import { checkGrants } from "../sources/missing-grants.ts";
import type { Source } from "../sources/source.ts";
import { respellKeys } from "../sources/respell-keys.ts";
import { Lenders } from "../ledger/lending.ts";
import { registerModel, setCurrentModel, setQuestionModel } from "../ledger/model.ts";
import { withTimeout } from "../timing/with-timeout.ts";
import { checkPrices } from "./check-prices.ts";
import { makeChunkWorker, makeEmbedWorker, type WorkerDependencies } from "./make-worker.ts";
import { Respelling } from "./respelling.ts";
import { SourceProblems } from "./source-problems.ts";
import { fingerprintOf, SourceStates } from "./source-state.ts";

/** How long the listener's start waits for a provider that does not answer; its source starts when it does. */
const FIRST_ANSWER_MS = 5_000;

/** One worker per source, so that a slow, broken or paused one delays no other. */
export class SourceWorkers {
  readonly #dependencies: WorkerDependencies;
  readonly #states = new SourceStates();
  readonly #problems: SourceProblems;
  readonly #lenders = new Lenders();
  /** The starts of the sources that were there when the listener started. */
  #firstStarts: readonly Promise<void>[] | undefined;
  #pgvector: Pgvector = { schema: "", vectorOid: 0 };
  #refreshing: Promise<void> = Promise.resolve();
  #closed = false;
  readonly #respelling: Respelling;

  constructor(dependencies: WorkerDependencies) {
    this.#dependencies = dependencies;
    this.#problems = new SourceProblems(dependencies.db, dependencies.events);
    this.#respelling = new Respelling(dependencies.db);
  }

  /** Rows that are claimed and not ended yet. */
  get inFlight(): number {
    return this.#sum((worker) => worker.claims.held.size);
  }

  /** Whether nothing is claimed, may be claimed without our knowledge, or waits to be released. */
  get holdsNothing(): boolean {
    return this.#sum(({ claims }) => claims.held.size + claims.unreleased + claims.awaitingReply) === 0;
  }

  /** Whether anything that was claimed under that `embedding_listener.id` is still held. */
  holds(owner: number): boolean {
    return this.#states.workers.some((worker) => worker.claims.hasOwner(owner));
  }

  /** Whether any worker claims, or waits to. */
  get isDraining(): boolean {
    return this.#states.workers.some((worker) => worker.isDraining);
  }

  /** Ids of sources in which nothing can be done until a person acts. */
  get waitingForPerson(): readonly number[] {
    return this.#states.waitingForPerson;
  }

  /** Starts a worker for every source; each works as soon as its provider answers. */
  async open(sources: Sources, pgvector: Pgvector): Promise<void> {
    this.#pgvector = pgvector;
    await this.#follow(sources);
  }

  /**
   * Resolves when the first source can work, or after some seconds: a provider that hangs must not keep the listener
   * from working on other sources.
   * @throws the first reason, where no source can work until a person acts.
   */
  async firstStarted(): Promise<void> {
    const first = Promise.any(this.#firstStarts ?? []);
    const reason = first.then(noReason, (error: unknown) =>
      error instanceof AggregateError ? (error.errors as unknown[]).find(needsAction) : undefined,
    );
    const problem = await withTimeout(FIRST_ANSWER_MS, reason, noReason);
    if (problem !== undefined) throw problem;
  }

  /** Follows what has changed among the sources. A failure does not keep the next call from doing so. */
  async refresh(sources: Sources): Promise<void> {
    this.#refreshing = this.#refreshing.catch(() => undefined).then(() => this.#follow(sources));
    await this.#refreshing;
  }

  wake(sourceId: number): void {
    this.#states.worker(sourceId)?.wake();
  }

  wakeAll(): void {
    for (const worker of this.#states.running) worker.wake();
  }

  /** Tries again what could not be released. @throws when the database does not answer */
  async retryReleases(): Promise<void> {
    for (const { claims } of this.#states.workers) await claims.retryReleases();
    this.#states.dropRetired();
  }

  /** @returns how many rows were released unfinished. */
  async close(deadline: AbortSignal): Promise<number> {
    this.#closed = true;
    this.#respelling.close();
    const released = await Promise.all(this.#states.workers.map((worker) => worker.stop(deadline)));
    await this.#dependencies.providers.close();
    return released.reduce((sum, rows) => sum + rows, 0);
  }

  async #follow({ usable, chunked, broken }: Sources): Promise<void> {
    const workable = new Map([...usable, ...chunked].map((source) => [source.id, source]));
    for (const id of this.#states.ids) {
      const source = workable.get(id);
      if (source?.paused === true) this.#retire(id, "paused");
      else if (source === undefined || !this.#isAtWork(source)) this.#retire(id, "absent");
    }
    const starts = usable
      .filter((source) => this.#mayStart(source))
      .map((source) => this.#start(source, () => this.#prepareEmbedding(source)));
    const chunkedStarts = chunked
      .filter((source) => this.#mayStart(source))
      .map((source) => this.#start(source, () => this.#prepareChunking(source)));
    // Not awaited: a provider that does not answer, or a source that is locked, keeps no other one waiting. A failure is
    // reported as a problem, and tried again when the sources are next read.
    for (const start of [...starts, ...chunkedStarts]) start.catch(() => undefined);
    this.#firstStarts ??= starts;
    for (const source of workable.values())
      if (this.#states.is("running", source)) void this.#respelling.look(source);
    for (const source of broken) await this.#breakDown(source, source.problem, true);
  }

  #isAtWork(source: Source): boolean {
    return this.#states.is("running", source) || this.#states.is("starting", source);
  }

  #mayStart(source: Source): boolean {
    return !source.paused && !this.#isAtWork(source);
  }

  async #start(source: Source, prepare: () => Promise<() => WorkerLoop>): Promise<void> {
    this.#states.set(source.id, { name: "starting", fingerprint: fingerprintOf(source) });
    try {
      const makeWorker = await prepare();
      await this.#problems.recovered(source);
      // What was started may have been changed, paused or dropped meanwhile.
      if (this.#closed || !this.#states.is("starting", source)) return;
      this.#run(source, makeWorker());
    } catch (error) {
      // What ends since the listener stops is no problem of its source.
      if (this.#closed || !this.#states.is("starting", source)) return;
      const problem = error instanceof Error ? error.message : "unknown";
      await this.#breakDown(source, problem, isOfSource(error));
      throw error;
    }
  }

  async #prepareEmbedding(source: Source): Promise<() => WorkerLoop> {
    checkPrices(this.#dependencies.config, [source]);
    const granted = checkGrants(this.#dependencies.db, source);
    granted.catch(() => undefined); // thrown below
    const provider = await this.#dependencies.providers.for(source);
    checkDimensions(source, provider);
    await granted;
    const model = await registerModel(
      this.#dependencies.db,
      rowModel(provider, onTooLong(this.#dependencies.config, source)),
      source.vectorType,
    );
    await respellKeys(this.#dependencies.db, source);
    await setCurrentModel(this.#dependencies.db, source, model);
    await setQuestionModel(this.#dependencies.db, source.id, provider.queryFingerprint);
    return () => {
      const lending = this.#lenders.add(source, model);
      return makeEmbedWorker(this.#dependencies, source, provider, this.#pgvector, lending);
    };
  }

  async #prepareChunking(source: ChunkedSource): Promise<() => WorkerLoop> {
    await checkGrants(this.#dependencies.db, source);
    await respellKeys(this.#dependencies.db, source);
    const onSplit = (): void => {
      this.wake(source.embeddedBy);
    };
    return () => makeChunkWorker(this.#dependencies, source, onSplit);
  }

  #run(source: Source, worker: WorkerLoop): void {
    this.#states.set(source.id, { name: "running", fingerprint: fingerprintOf(source), worker });
    worker.wake();
  }

  #retire(id: number, state: "paused" | "absent"): void {
    this.#lenders.remove(id);
    const worker = this.#states.set(id, state === "absent" ? state : { name: state });
    void worker?.stop(AbortSignal.timeout(this.#dependencies.config.EMBED_SHUTDOWN_MS));
  }

  async #breakDown(
    source: Pick<Source, "id" | "name">,
    problem: string,
    needsPerson: boolean,
  ): Promise<void> {
    this.#lenders.remove(source.id);
    this.#states.set(source.id, { name: "broken", needsPerson });
    await this.#problems.failing(source, problem);
  }

  #sum(count: (worker: WorkerLoop) => number): number {
    return this.#states.workers.reduce((sum, worker) => sum + count(worker), 0);
  }
}

/** An outage passes; a wrong key, model or length of vectors does not. */
function needsAction(error: unknown): error is Error {
  return error instanceof SetupError || (error instanceof ProviderError && error.kind === "setup");
}

/** Whether its settings, its column or its grants are at fault, and not the way to the database. */
function isOfSource(error: unknown): error is SetupError {
  return error instanceof SetupError && !(error instanceof NoConnection);
}

function noReason(): undefined {
  return undefined;
}
