import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { findPgvector } from "../database/pgvector.ts";
import { explainUnmigrated } from "../database/explain-unmigrated.ts";
import { directUrl, openPool, WRITERS } from "../database/pools.ts";
import { describeDatabaseError } from "../database/database-fault.ts";
import { Events } from "../events.ts";
import { Membership } from "../membership/membership.ts";
import type { Provider } from "../providers/provider.ts";
import { Providers, type ProviderDescription } from "../providers/registry.ts";
import type { ProviderOverrides } from "../providers/resolve-provider-settings.ts";
import { waitUntilDrained } from "../queue/wait-until-drained.ts";
import { loadSources } from "../sources/load-sources.ts";
import { ConcurrencyLimit } from "../timing/concurrency-limit.ts";
import { repeat } from "../timing/repeat.ts";
import { withTimeout } from "../timing/with-timeout.ts";
import { Budget } from "./budget.ts";
import { Notifications } from "./notifications.ts";
import { NotifyGate } from "./notify-gate.ts";
import { SourceWorkers } from "./source-workers.ts";
import { keepPruning } from "./prune.ts";
import { Usage } from "./usage.ts";

/** How often usage is written, the budget read, and what could not be released is tried again. */
const MAINTENANCE_MS = 1_000;
/** How long each step of a shutdown may wait, after the deadline, for a database that may be gone. */
const GOODBYE_MS = 2_000;

export interface Listener {
  readonly events: Events;
  /**
   * Connects, checks, and begins to work. Idempotent, as `stop` is; once stopped it does not start again.
   * @throws {SetupError} where it cannot ever work as configured.
   */
  start(): Promise<void>;
  /** See `waitUntilDrained`: of all sources, in any listener. For tests and scripts. */
  whenDrained(signal?: AbortSignal): Promise<void>;
  /** The provider of a source, shared with the workers: its rate and its circuit are theirs. @throws {ProviderError} */
  provider(source: ProviderOverrides): Promise<Provider>;
  /** Names, states and reasons of the open providers. */
  describeProviders(): ProviderDescription[];
  /**
   * Claims nothing more, completes what is in flight until the deadline (`EMBED_SHUTDOWN_MS`), and releases the rest.
   * @returns how many rows were released.
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
  readonly #config: Config & { readonly DATABASE_URL: string };
  readonly #db: Database;
  readonly #batches: Database;
  readonly #heartbeatDb: Database;
  readonly #membership: Membership;
  readonly #notifications: Notifications;
  readonly #workers: SourceWorkers;
  readonly #usage: Usage;
  readonly #notifyGate: NotifyGate;
  readonly #providers: Providers;
  readonly #budget: Budget;
  #poll: NodeJS.Timeout | undefined;
  #stopMaintenance: (() => void) | undefined;
  #stopPruning: (() => void) | undefined;
  #started: Promise<void> | undefined;
  #stopped: Promise<number> | undefined;

  constructor(config: Config & { readonly DATABASE_URL: string }) {
    this.#config = config;
    this.#db = openPool("listener", config);
    this.#batches = openPool("batches", config);
    this.#heartbeatDb = openPool("heartbeat", config);
    this.#usage = new Usage(this.events);
    this.#budget = new Budget(config.EMBED_DAILY_TOKEN_BUDGET, this.events);
    this.#providers = new Providers(config, this.events);
    this.#membership = new Membership({
      db: this.#db,
      heartbeatDb: this.#heartbeatDb,
      describe: () => ({
        providers: this.#providers.describe(),
        in_flight: this.#workers.inFlight,
        budget: this.#budget.exhausted,
      }),
      holds: (id) => this.#workers.holds(id),
      onFreed: () => {
        this.#workers.wakeAll();
      },
    });
    this.#workers = new SourceWorkers({
      db: this.#db,
      batches: this.#batches,
      config,
      providers: this.#providers,
      budget: this.#budget,
      events: this.events,
      writes: new ConcurrencyLimit(WRITERS),
      claimant: this.#membership,
    });
    this.#notifications = new Notifications(directUrl(config), {
      onChange: (sourceId) => {
        if (sourceId === undefined) void this.#refresh();
        else this.#workers.wake(sourceId);
      },
      onListening: () => {
        this.events.emit("listening");
        void this.#refresh();
      },
      onLost: (problem) => this.events.emit("listen_lost", { problem }),
    });
    this.#notifyGate = new NotifyGate({
      db: this.#db,
      ids: () => this.#membership.ids,
      wakeAll: () => {
        this.#workers.wakeAll();
      },
      isDraining: () => this.#workers.isDraining,
      workers: () => this.#workers.count,
    });
    this.events.on("claimed", () => {
      this.#notifyGate.onClaimed();
    });
    this.events.on("drained", () => {
      if (this.#workers.inFlight === 0) this.#notifyGate.onDrained();
    });
  }

  start(): Promise<void> {
    this.#started ??= explainUnmigrated(this.#config, () => this.#start());
    return this.#started;
  }

  async whenDrained(signal?: AbortSignal): Promise<void> {
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

  async #start(): Promise<void> {
    await this.#budget.refresh(this.#db);
    if (this.#isStopped()) return;
    // Before the workers: each claims under this listener's id as soon as it is open.
    await this.#membership.start();
    if (this.#isStopped()) return;
    this.#stopMaintenance = repeat(MAINTENANCE_MS, () => this.#maintain());
    const [sources, pgvector] = [await loadSources(this.#db), await findPgvector(this.#db)];
    if (this.#isStopped()) return;
    await this.#workers.open(sources, pgvector);
    if (this.#isStopped()) return;
    this.#stopPruning = keepPruning(this.#db, this.#config.EMBED_CACHE_DAYS);
    this.#notifications.start();
    this.#workers.wakeAll();
    this.#poll = setInterval(() => void this.#refresh(), this.#config.EMBED_POLL_MS);
    await this.#workers.firstStarted();
  }

  async #stop(): Promise<number> {
    clearInterval(this.#poll);
    this.#notifyGate.stop();
    this.#providers.stop();
    const deadline = AbortSignal.timeout(this.#config.EMBED_SHUTDOWN_MS);
    const notifications = this.#notifications.stop();
    const released = await withTimeout(
      this.#config.EMBED_SHUTDOWN_MS + GOODBYE_MS,
      this.#workers.close(deadline),
      () => this.#workers.inFlight,
    );
    this.#stopMaintenance?.();
    this.#stopPruning?.();
    const goodbyes = [
      notifications,
      this.#usage.flush(this.#db),
      this.#membership.stop(this.#workers.holdsNothing),
    ];
    await Promise.all(goodbyes.map((goodbye) => withTimeout(GOODBYE_MS, goodbye, noop)));
    const pools = [this.#db, this.#batches, this.#heartbeatDb];
    await Promise.all(pools.map((pool) => withTimeout(GOODBYE_MS, pool.destroy(), noop)));
    return released;
  }

  #isStopped(): boolean {
    return this.#stopped !== undefined;
  }

  async #maintain(): Promise<void> {
    await Promise.allSettled([
      this.#workers.retryReleases(),
      this.#usage.flush(this.#db).then(() => this.#budget.refresh(this.#db)),
    ]);
  }

  /** Follows what has changed among the sources, and drains them all. */
  async #refresh(): Promise<void> {
    if (this.#isStopped()) return;
    try {
      await this.#workers.refresh(await loadSources(this.#db));
    } catch (error) {
      this.events.emit("source_failing", { source: undefined, problem: describeDatabaseError(error) });
    }
    this.#workers.wakeAll();
  }
}

function noop(): void {
  // If a goodbye fails, the missed heartbeats free our claims anyway.
}
