import type { Config } from "../config.ts";
import { connect, type Database } from "../database/connect.ts";
import { findPgvector } from "../database/pgvector.ts";
import { describeDatabaseError } from "../database/database-fault.ts";
import { Events } from "../events.ts";
import { ConcurrencyLimit } from "../timing/concurrency-limit.ts";
import type { Provider } from "../providers/provider.ts";
import { loadSources } from "../sources/load-sources.ts";
import type { ProviderOverrides } from "../providers/resolve-provider-settings.ts";
import { Budget } from "./budget.ts";
import { NotifyGate } from "./notify-gate.ts";
import type { ListenerState } from "../membership/listener-state.ts";
import { Notifications } from "./notifications.ts";
import { Membership } from "../membership/membership.ts";
import { Providers, type ProviderDescription } from "../providers/registry.ts";
import { SourceWorkers } from "./source-workers.ts";
import { Usage } from "./usage.ts";
import { waitUntilDrained } from "../queue/wait-until-drained.ts";
import { withTimeout } from "../timing/with-timeout.ts";

/** Write-backs in flight; one more connection claims. */
const WRITERS = 3;
/** A heartbeat that has no answer by then was not heard. */
const HEARTBEAT_TIMEOUT_MS = 5_000;
/** After the deadline, what a database that is gone may still cost at a shutdown, a step. */
const LAST_WORD_MS = 2_000;

export interface Listener {
  readonly events: Events;
  /** Connects, checks, and begins to work. @throws {SetupError} where it cannot ever work as configured. */
  start(): Promise<void>;
  /** Resolves when nothing is pending and nothing is in flight, in any listener: for tests and scripts. */
  settled(signal?: AbortSignal): Promise<void>;
  /** The provider of a source, shared with the workers: its pace and its circuit are theirs. @throws {ProviderError} */
  provider(source: ProviderOverrides): Promise<Provider>;
  /** How each open provider is: names, states and reasons. */
  describeProviders(): ProviderDescription[];
  /**
   * Claims nothing more, settles what is in flight until the deadline (`EMBED_SHUTDOWN_MS`), puts the rest back.
   * Idempotent. @returns how many rows were put back.
   */
  stop(): Promise<number>;
}

/**
 * Keeps every source of a database drained: a notification, the poll, a reconnect and the start all lead to the same
 * drain. Any number of listeners share the work, with no configuration.
 */
export function createListener(config: Config & { readonly DATABASE_URL: string }): Listener {
  return new RunningListener(config);
}

class RunningListener implements Listener {
  readonly events = new Events();
  readonly #config: Config;
  readonly #db: Database;
  readonly #batches: Database;
  readonly #heart: Database;
  readonly #presence: Membership;
  readonly #notifications: Notifications;
  readonly #workers: SourceWorkers;
  readonly #usage: Usage;
  readonly #idleness: NotifyGate;
  readonly #providers: Providers;
  readonly #budget: Budget;
  #poll: NodeJS.Timeout | undefined;
  #stopped: Promise<number> | undefined;

  constructor(config: Config & { readonly DATABASE_URL: string }) {
    this.#config = config;
    const database = {
      databaseUrl: config.DATABASE_URL,
      ownSessions: config.LISTEN_DATABASE_URL === undefined,
    };
    this.#db = connect({ ...database, maxConnections: WRITERS + 2 });
    this.#batches = connect({ ...database, maxConnections: WRITERS + 1, plans: "kept" });
    this.#heart = connect({ ...database, maxConnections: 1, queryTimeoutMs: HEARTBEAT_TIMEOUT_MS });
    this.#usage = new Usage(this.events);
    const budget = new Budget(config.EMBED_DAILY_TOKEN_BUDGET, this.events);
    this.#budget = budget;
    const providers = new Providers(config, this.events);
    this.#providers = providers;
    this.#presence = new Membership({
      db: this.#db,
      heartbeatDb: this.#heart,
      describe: (): ListenerState => ({
        providers: providers.describe(),
        in_flight: this.#workers.inFlight,
        budget: budget.exhausted,
      }),
      holds: (id) => this.#workers.holds(id),
      maintenance: () =>
        Promise.all([
          this.#workers.releaseStranded(),
          this.#usage.flush(this.#db).then(() => budget.look(this.#db)),
        ]),
      onFreed: () => {
        this.#workers.wakeAll();
      },
    });
    this.#workers = new SourceWorkers({
      db: this.#db,
      batches: this.#batches,
      config,
      providers,
      budget,
      events: this.events,
      writes: new ConcurrencyLimit(WRITERS),
      owner: this.#presence,
    });
    this.#notifications = new Notifications(config.LISTEN_DATABASE_URL ?? config.DATABASE_URL, {
      onChange: (sourceId) => {
        if (sourceId === undefined) void this.#look();
        else this.#workers.wake(sourceId);
      },
      onListening: () => {
        this.events.emit("listening");
        void this.#look();
      },
      onLost: (problem) => this.events.emit("deaf", { problem }),
    });
    this.#idleness = new NotifyGate({
      db: this.#db,
      ids: () => this.#presence.ids,
      look: () => {
        this.#workers.wakeAll();
      },
      isDraining: () => this.#workers.isDraining,
      sources: () => this.#workers.count,
    });
    this.events.on("claimed", () => {
      this.#idleness.onClaimed();
    });
    this.events.on("drained", () => {
      if (this.#workers.quiet) this.#idleness.onDrained();
    });
  }

  async start(): Promise<void> {
    await this.#budget.look(this.#db);
    if (this.#isStopped()) return;
    // First: a worker claims under this listener's id as soon as it is open.
    await this.#presence.start();
    const [sources, pgvector] = [await loadSources(this.#db), await findPgvector(this.#db)];
    if (this.#isStopped()) return;
    await this.#workers.open(sources, pgvector);
    if (this.#isStopped()) return;
    this.#notifications.start();
    this.#workers.wakeAll();
    this.#poll = setInterval(() => void this.#look(), this.#config.EMBED_POLL_MS);
    await this.#workers.begun();
  }

  async settled(signal?: AbortSignal): Promise<void> {
    await waitUntilDrained(this.#db, signal);
  }

  provider(source: ProviderOverrides): Promise<Provider> {
    return this.#providers.for(source);
  }

  describeProviders(): ProviderDescription[] {
    return this.#providers.describe();
  }

  stop(): Promise<number> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<number> {
    clearInterval(this.#poll);
    this.#idleness.stop();
    const deadline = AbortSignal.timeout(this.#config.EMBED_SHUTDOWN_MS);
    const deaf = this.#notifications.stop();
    const left = await withTimeout(
      this.#config.EMBED_SHUTDOWN_MS + LAST_WORD_MS,
      this.#workers.close(deadline),
      () => this.#workers.inFlight,
    );
    const { inFlight, stranded, unanswered } = this.#workers;
    const holdsNothing = inFlight + stranded + unanswered === 0;
    const lastWords = [deaf, this.#usage.flush(this.#db), this.#presence.stop(holdsNothing)];
    await Promise.all(lastWords.map((word) => withTimeout(LAST_WORD_MS, word, nothing)));
    await Promise.all(
      [this.#db, this.#batches, this.#heart].map((db) => withTimeout(LAST_WORD_MS, db.destroy(), nothing)),
    );
    return left;
  }

  #isStopped(): boolean {
    return this.#stopped !== undefined;
  }

  /** Sees what changed among the sources, and drains them all. */
  async #look(): Promise<void> {
    if (this.#isStopped()) return;
    try {
      await this.#workers.refresh(await loadSources(this.#db));
    } catch (error) {
      this.events.emit("troubled", { source: "", problem: describeDatabaseError(error) });
    }
    this.#workers.wakeAll();
  }
}

function nothing(): void {
  // A database that cannot be told finds out by the silence.
}
