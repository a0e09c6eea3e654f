import { Batches } from "../batches/batches.ts";
import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { findPgvector } from "../database/pgvector.ts";
import { isLeaving } from "../database/is-leaving.ts";
import { requireTables } from "../database/lost-tables.ts";
import { explainUnmigrated } from "../database/explain-unmigrated.ts";
import { WRITERS } from "../database/connection-shares.ts";
import { directUrl, openPool } from "../database/pools.ts";
import { describeDatabaseError } from "../database/database-fault.ts";
import { requireOwnSessions } from "../database/require-own-sessions.ts";
import { Events } from "../events.ts";
import { Membership } from "../membership/membership.ts";
import type { Provider } from "../providers/provider.ts";
import { Providers, type ProviderDescription } from "../providers/registry.ts";
import type { ProviderOverrides } from "../providers/resolve-provider-settings.ts";
import { isDrained, sourcesWithWork } from "../queue/counts.ts";
import { waitUntilDrained } from "../queue/wait-until-drained.ts";
import { loadSources } from "../sources/load-sources.ts";
import { coalesced } from "../timing/coalesced.ts";
import { checkPrices } from "./check-prices.ts";
import { ConcurrencyLimit } from "../timing/concurrency-limit.ts";
import { repeat } from "../timing/repeat.ts";
import { withTimeout } from "../timing/with-timeout.ts";
import { AskedQuestions } from "./asked-questions.ts";
import { Budget } from "./budget.ts";
import { Notifications, type NotificationHandlers } from "./notifications.ts";
import { IdleSleep } from "./idle-sleep.ts";
import { NotifyGate } from "./notify-gate.ts";
import { UnwrittenSpending } from "./unwritten-spending.ts";
import { SourceWorkers } from "./source-workers.ts";
import { Pruning } from "./prune.ts";
import { StarvedParts } from "./starved-parts.ts";
import { Usage } from "./usage.ts";

/** How often usage is written, the budget read, and what could not be released is tried again. */
const MAINTENANCE_MS = 1_000;
/** How long a look at all sources is put off after the last: any role that can connect may ask for one, by NOTIFY. */
const LOOK_PAUSE_MS = 250;
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
  /** Why it cannot work, although the database may answer others: no connection is free for it. */
  readonly outage: string | undefined;
  /**
   * Claims nothing more, completes what is in flight until the deadline (`EMBED_SHUTDOWN_MS`), and releases the rest.
   * @returns how many rows were released.
   */
  stop(): Promise<number>;
}

interface ListenerOptions {
  /** Requests of a backfill in flight, at most, by the names of sources; else as many as there may be of all. */
  readonly backfillLanes?: ReadonlyMap<string, number> | undefined;
}

/**
 * Keeps every source of a database drained: a notification, the poll, a reconnect and the start all lead to the same
 * drain. Any number of listeners share the work, with no configuration.
 */
export function createListener(
  config: Config & { readonly DATABASE_URL: string },
  options: ListenerOptions = {},
): Listener {
  return new RunningListener(config, options);
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
  readonly #questions: AskedQuestions;
  readonly #usage: Usage;
  readonly #spending: UnwrittenSpending;
  readonly #notifyGate: NotifyGate;
  readonly #providers: Providers;
  readonly #budget: Budget;
  readonly #providerBatches: Batches;
  readonly #starved = new StarvedParts<"listener" | "batches" | "heartbeat">();
  readonly #look = coalesced(LOOK_PAUSE_MS, () => this.#refresh());
  #poll: NodeJS.Timeout | undefined;
  #stopMaintenance: (() => void) | undefined;
  readonly #pruning: Pruning;
  readonly #sleep: IdleSleep | undefined;
  #started: Promise<void> | undefined;
  #stopped: Promise<number> | undefined;

  constructor(
    config: Config & { readonly DATABASE_URL: string },
    { backfillLanes = new Map() }: ListenerOptions,
  ) {
    this.#config = config;
    this.#db = this.#open("listener");
    this.#batches = this.#open("batches");
    this.#heartbeatDb = this.#open("heartbeat");
    this.#usage = new Usage(this.events);
    this.#spending = new UnwrittenSpending(this.events);
    this.#budget = new Budget(config, this.events);
    this.#providers = new Providers(config, this.events);
    this.#membership = new Membership({
      db: this.#db,
      heartbeatDb: this.#heartbeatDb,
      describe: () => ({
        providers: this.#providers.describe(),
        in_flight: this.#workers.inFlight,
        answers_questions: true,
        budget: this.#budget.exhausted,
      }),
      holds: (id) => this.#workers.holds(id),
      onFreed: () => {
        this.#workers.wakeAll();
      },
      onNeeded: () => {
        this.#sleep?.touch();
      },
    });
    this.#workers = new SourceWorkers({
      db: this.#db,
      batches: this.#batches,
      config,
      providers: this.#providers,
      budget: this.#budget,
      spending: this.#spending,
      events: this.events,
      writes: new ConcurrencyLimit(WRITERS),
      claimant: this.#membership,
      backfillLanes,
    });
    this.#providerBatches = new Batches({
      spending: this.#spending,
      db: this.#db,
      batches: this.#batches,
      config,
      providers: this.#providers,
      budget: this.#budget,
      checkPrice: (source) => {
        checkPrices(config, [source]);
      },
      events: this.events,
      claimant: this.#membership,
    });
    this.#questions = new AskedQuestions({
      db: this.#db,
      providers: this.#providers,
      claimant: this.#membership,
      config,
    });
    this.#pruning = new Pruning(this.#db, config.EMBED_CACHE_DAYS);
    const sleep = config.EMBED_IDLE === "sleep" ? this.#mayNap() : undefined;
    this.#sleep = sleep;
    const handlers: NotificationHandlers = {
      onChange: (sourceId) => {
        sleep?.touch();
        if (sourceId === undefined) this.#look();
        else this.#workers.wake(sourceId);
      },
      onAsked: () => {
        sleep?.touch();
        this.#questions.look();
      },
      onListening: () => {
        sleep?.touch();
        this.events.emit("listening");
        this.#look();
      },
      onLost: (problem) => this.events.emit("listen_lost", { problem }),
    };
    const rest = sleep && { pauseMs: () => (sleep.isAsleep ? config.EMBED_POLL_MS : 0) };
    this.#notifications = new Notifications(directUrl(config), handlers, rest);
    this.#notifyGate = new NotifyGate({
      db: this.#db,
      ids: () => this.#membership.ids,
      wakeAll: () => {
        this.#workers.wakeAll();
      },
      wakeDue: () => this.#wakeDue(),
      isDraining: () => this.#workers.isDraining,
    });
    this.events.on("claimed", () => {
      sleep?.touch();
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
    return this.#providers.forQuestions(source);
  }

  describeProviders(): ProviderDescription[] {
    return this.#providers.describe();
  }

  get outage(): string | undefined {
    return this.#starved.isAny ? "the database has no free connection for this listener" : undefined;
  }

  stop(): Promise<number> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #start(): Promise<void> {
    const { LISTEN_DATABASE_URL } = this.#config;
    if (LISTEN_DATABASE_URL !== undefined) await requireOwnSessions(LISTEN_DATABASE_URL);
    await requireTables(this.#db);
    await this.#budget.refresh(this.#db);
    if (this.#isStopped()) return;
    await this.#openWorkers();
    if (this.#isStopped()) return;
    this.#startTimers();
    this.#notifications.start();
    this.#workers.wakeAll();
    this.#sleep?.start();
    await this.#workers.firstStarted();
  }

  /** A claim waits until this listener is registered; meanwhile providers are asked for their first answers. */
  async #openWorkers(): Promise<void> {
    const registered = this.#membership.start();
    registered.catch(() => undefined); // thrown below
    try {
      const [sources, pgvector] = [await loadSources(this.#db), await findPgvector(this.#db)];
      if (this.#isStopped()) return;
      await this.#workers.open(sources, pgvector);
      await registered;
    } catch (error) {
      void this.stop(); // or its workers would claim, and nobody know that it is alive
      throw error;
    }
  }

  #startTimers(): void {
    this.#stopTimers();
    this.#stopMaintenance = repeat(MAINTENANCE_MS, () => this.#maintain());
    this.#questions.start();
    this.#providerBatches.start();
    this.#pruning.start();
    this.#poll = setInterval(this.#look, this.#config.EMBED_POLL_MS);
  }

  #stopTimers(): void {
    this.#stopMaintenance?.();
    this.#questions.rest();
    this.#providerBatches.rest();
    this.#pruning.stop();
    clearInterval(this.#poll);
  }

  /** Everything that asks the database from time to time ends while nothing is to do. */
  #mayNap(): IdleSleep {
    return new IdleSleep({
      isQuiet: async () =>
        this.#notifyGate.isSettled &&
        this.#workers.holdsNothing &&
        !this.#workers.isDraining &&
        this.#questions.isIdle &&
        (await isDrained(this.#db, this.#workers.waitingForPerson)) &&
        (await this.#membership.maySleep()),
      onSleep: async () => {
        this.#stopTimers();
        await this.#maintain();
        await this.#membership.sleep();
        this.events.emit("asleep");
      },
      isKnown: () => this.#membership.isKnown(),
      onWake: async () => {
        if (!this.#isStopped()) {
          this.#startTimers();
          this.events.emit("awake");
        }
        // Also when it has just been stopped: a claim may wait for it.
        await this.#membership.wake();
        this.#look();
      },
    });
  }

  async #stop(): Promise<number> {
    this.#sleep?.stop();
    clearInterval(this.#poll);
    this.#notifyGate.stop();
    const answered = this.#questions.stop();
    this.#providers.stop();
    const deadline = AbortSignal.timeout(this.#config.EMBED_SHUTDOWN_MS);
    const notifications = this.#notifications.stop();
    const batches = this.#providerBatches.stop();
    const released = await withTimeout(
      this.#config.EMBED_SHUTDOWN_MS + GOODBYE_MS,
      this.#workers.close(deadline),
      () => this.#workers.inFlight,
    );
    this.#stopTimers();
    // Before the listener deregisters: its batches are anyone's then.
    await withTimeout(GOODBYE_MS, batches, noop);
    const goodbyes = [
      notifications,
      answered,
      this.#usage.flush(this.#db),
      this.#spending.flush(this.#db),
      this.#membership.stop(this.#workers.holdsNothing),
    ];
    await Promise.all(goodbyes.map((goodbye) => withTimeout(GOODBYE_MS, goodbye, noop)));
    const pools = [this.#db, this.#batches, this.#heartbeatDb];
    await Promise.all(pools.map((pool) => withTimeout(GOODBYE_MS, pool.destroy(), noop)));
    return released;
  }

  #open(role: "listener" | "batches" | "heartbeat"): Database {
    return openPool(role, this.#config, {
      onStarved: (isStarved) => {
        this.#starved.set(role, isStarved);
      },
    });
  }

  #isStopped(): boolean {
    return this.#stopped !== undefined;
  }

  async #maintain(): Promise<void> {
    await Promise.allSettled([
      this.#workers.retryReleases(),
      this.#usage.flush(this.#db),
      this.#budget.refresh(this.#db, () => this.#spending.flush(this.#db)),
    ]);
  }

  async #wakeDue(): Promise<void> {
    for (const id of await sourcesWithWork(this.#db)) this.#workers.wake(id);
  }

  /** Follows what has changed among the sources, and drains those that have work; stops when there are to be none any more. */
  async #refresh(): Promise<void> {
    if (this.#isStopped()) return;
    this.#questions.look();
    try {
      if (await isLeaving(this.#db)) {
        this.events.emit("uninstalled");
        void this.stop();
        return;
      }
      await this.#workers.refresh(await loadSources(this.#db));
      await this.#wakeDue();
    } catch (error) {
      this.events.emit("source_failing", { source: undefined, problem: describeDatabaseError(error) });
      this.#workers.wakeAll();
    }
  }
}

function noop(): void {
  // If a goodbye fails, the missed heartbeats free our claims anyway.
}
