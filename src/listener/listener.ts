import type { Config } from "../config.ts";
import { findPgvector } from "../database/pgvector.ts";
import { isLeaving } from "../database/is-leaving.ts";
import { requireTables } from "../database/lost-tables.ts";
import { explainUnmigrated } from "../database/explain-unmigrated.ts";
import { directUrl } from "../database/pools.ts";
import { SetupError } from "../errors.ts";
import { describeDatabaseError, isOfEveryTable } from "../database/database-fault.ts";
import { requireOwnSessions } from "../database/require-own-sessions.ts";
import { Events } from "../events.ts";
import type { Provider } from "../providers/provider.ts";
import type { ProviderDescription } from "../providers/registry.ts";
import type { ProviderOverrides } from "../providers/resolve-provider-settings.ts";
import { isDrained, sourcesWithWork } from "../queue/counts.ts";
import { waitUntilDrained } from "../queue/wait-until-drained.ts";
import { loadSources } from "../sources/load-sources.ts";
import { coalesced } from "../timing/coalesced.ts";
import { repeat } from "../timing/repeat.ts";
import { withTimeout } from "../timing/with-timeout.ts";
import { Notifications, type NotificationHandlers } from "./notifications.ts";
import { IdleSleep } from "./idle-sleep.ts";
import { makeParts, type ListenerParts } from "./listener-parts.ts";
import { ListenerPools } from "./listener-pools.ts";
import { NotifyGate } from "./notify-gate.ts";

/** How often usage is written, the budget read, and what could not be released is tried again. */
const MAINTENANCE_MS = 1_000;
/** How long a look at all sources is put off after the last: any role that can connect may ask for one, by NOTIFY. */
const LOOK_PAUSE_MS = 250;
/** How long each step of a shutdown may wait, after the deadline, for a database that may be gone. */
const GOODBYE_MS = 2_000;

export interface Listener {
  readonly events: Events;
  /**
   * Connects, checks, and begins to work. Idempotent, as `stop` is. Stopped meanwhile, it ends without having started.
   * @throws {SetupError} where it cannot ever work as configured, or was stopped before.
   */
  start(): Promise<void>;
  /** See `waitUntilDrained`: of all sources, in any listener. For tests and scripts. */
  whenDrained(signal?: AbortSignal): Promise<void>;
  /** The provider of a source, shared with the workers: its rate and its circuit are theirs. @throws {ProviderError} */
  provider(source: ProviderOverrides): Promise<Provider>;
  /** Names, states and reasons of the open providers. */
  describeProviders(): ProviderDescription[];
  /** Whether notifications arrive now; while they do not, only the poll finds changes. */
  readonly isListening: boolean;
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
  isListening = false;
  readonly #config: Config & { readonly DATABASE_URL: string };
  readonly #pools: ListenerPools;
  readonly #parts: ListenerParts;
  readonly #notifications: Notifications;
  readonly #notifyGate: NotifyGate;
  readonly #sleep: IdleSleep | undefined;
  readonly #look = coalesced(LOOK_PAUSE_MS, () => this.#refresh());
  #poll: NodeJS.Timeout | undefined;
  #stopMaintenance: (() => void) | undefined;
  #started: Promise<void> | undefined;
  #stopped: Promise<number> | undefined;
  /** The database could not be used since it was last asked what to do. */
  #wasOutage = false;

  constructor(
    config: Config & { readonly DATABASE_URL: string },
    { backfillLanes = new Map() }: ListenerOptions,
  ) {
    this.#config = config;
    this.#pools = new ListenerPools(config);
    this.#parts = makeParts({
      config,
      pools: this.#pools,
      events: this.events,
      backfillLanes,
      onNeeded: () => {
        this.#sleep?.touch();
      },
    });
    const { membership, workers, questions } = this.#parts;
    const sleep = config.EMBED_IDLE === "sleep" ? this.#mayNap() : undefined;
    this.#sleep = sleep;
    const handlers: NotificationHandlers = {
      onChange: (sourceId) => {
        sleep?.touch();
        if (sourceId === undefined) this.#look();
        else workers.wake(sourceId);
      },
      onAsked: () => {
        sleep?.touch();
        questions.look();
      },
      onListening: () => {
        sleep?.touch();
        this.isListening = true;
        this.events.emit("listening");
        this.#look();
      },
      onLost: (problem) => {
        this.isListening = false;
        this.events.emit("listen_lost", { problem });
      },
    };
    const rest = sleep && { pauseMs: () => (sleep.isAsleep ? config.EMBED_POLL_MS : 0) };
    this.#notifications = new Notifications(directUrl(config), handlers, rest);
    this.#notifyGate = new NotifyGate({
      db: this.#pools.db,
      ids: () => membership.ids,
      wakeAll: () => {
        workers.wakeAll();
      },
      wakeDue: () => this.#wakeDue(),
      isDraining: () => workers.isDraining,
    });
    this.events.on("claimed", () => {
      sleep?.touch();
      this.#notifyGate.onClaimed();
    });
    this.events.on("source_failing", ({ isOutage = false }) => {
      this.#wasOutage ||= isOutage;
    });
    this.events.on("drained", () => {
      if (workers.inFlight === 0) this.#notifyGate.onDrained();
    });
  }

  start(): Promise<void> {
    this.#started ??= this.#isStopped()
      ? Promise.reject(
          new SetupError(
            "This listener was stopped, and does not start again.",
            "Make another one: createListener(config).",
          ),
        )
      : explainUnmigrated(this.#config, () => this.#startUnlessStopped());
    return this.#started;
  }

  async whenDrained(signal?: AbortSignal): Promise<void> {
    await waitUntilDrained(this.#pools.db, signal);
  }

  provider(source: ProviderOverrides): Promise<Provider> {
    return this.#parts.providers.forQuestions(source);
  }

  describeProviders(): ProviderDescription[] {
    return this.#parts.providers.describe();
  }

  get outage(): string | undefined {
    return this.#pools.isStarved ? "the database has no free connection for this listener" : undefined;
  }

  stop(): Promise<number> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  /** A stop closes the connections of a start under way: what this makes of it is no failure. */
  async #startUnlessStopped(): Promise<void> {
    try {
      await this.#start();
    } catch (error) {
      if (this.#isStopped()) return;
      void this.stop(); // or its workers would claim, and nobody know that it is alive
      throw error;
    }
  }

  async #start(): Promise<void> {
    const { LISTEN_DATABASE_URL } = this.#config;
    if (LISTEN_DATABASE_URL !== undefined) await requireOwnSessions(LISTEN_DATABASE_URL);
    await requireTables(this.#pools.db);
    await this.#parts.budget.refresh(this.#pools.db);
    if (this.#isStopped()) return;
    await this.#openWorkers();
    if (this.#isStopped()) return;
    this.#startTimers();
    this.#notifications.start();
    this.#parts.workers.wakeAll();
    this.#sleep?.start();
    await this.#parts.workers.firstStarted();
  }

  /** A claim waits until this listener is registered; meanwhile providers are asked for their first answers. */
  async #openWorkers(): Promise<void> {
    const registered = this.#parts.membership.start();
    registered.catch(() => undefined); // thrown below
    const [sources, pgvector] = [await loadSources(this.#pools.db), await findPgvector(this.#pools.db)];
    if (this.#isStopped()) return;
    await this.#parts.workers.open(sources, pgvector);
    await registered;
  }

  #startTimers(): void {
    this.#stopTimers();
    this.#stopMaintenance = repeat(MAINTENANCE_MS, () => this.#maintain());
    this.#parts.questions.start();
    this.#parts.providerBatches.start();
    this.#parts.pruning.start();
    this.#poll = setInterval(this.#look, this.#config.EMBED_POLL_MS);
  }

  #stopTimers(): void {
    this.#stopMaintenance?.();
    this.#parts.questions.rest();
    this.#parts.providerBatches.rest();
    this.#parts.pruning.stop();
    clearInterval(this.#poll);
  }

  /** Everything that asks the database from time to time ends while nothing is to do. */
  #mayNap(): IdleSleep {
    return new IdleSleep({
      isQuiet: async () =>
        this.#notifyGate.isSettled &&
        this.#parts.workers.holdsNothing &&
        !this.#parts.workers.isDraining &&
        this.#parts.questions.isIdle &&
        (await isDrained(this.#pools.db, this.#parts.workers.waitingForPerson)) &&
        (await this.#parts.membership.maySleep()),
      onSleep: async () => {
        this.#stopTimers();
        await this.#maintain();
        await this.#parts.membership.sleep();
        this.events.emit("asleep");
      },
      isKnown: () => this.#parts.membership.isKnown(),
      onWake: async () => {
        if (!this.#isStopped()) {
          this.#startTimers();
          this.events.emit("awake");
        }
        // Also when it has just been stopped: a claim may wait for it.
        await this.#parts.membership.wake();
        this.#look();
      },
    });
  }

  async #stop(): Promise<number> {
    this.#sleep?.stop();
    clearInterval(this.#poll);
    this.#notifyGate.stop();
    const answered = this.#parts.questions.stop();
    this.#parts.providers.stop();
    const deadline = AbortSignal.timeout(this.#config.EMBED_SHUTDOWN_MS);
    this.isListening = false;
    const notifications = this.#notifications.stop();
    const batches = this.#parts.providerBatches.stop();
    const released = await withTimeout(
      this.#config.EMBED_SHUTDOWN_MS + GOODBYE_MS,
      this.#parts.workers.close(deadline),
      () => this.#parts.workers.inFlight,
    );
    this.#stopTimers();
    // Before the listener deregisters: its batches are anyone's then.
    await withTimeout(GOODBYE_MS, batches, noop);
    const goodbyes = [
      notifications,
      answered,
      this.#parts.usage.flush(this.#pools.db),
      this.#parts.spending.flush(this.#pools.db),
      this.#parts.membership.stop(this.#parts.workers.holdsNothing),
    ];
    await Promise.all(goodbyes.map((goodbye) => withTimeout(GOODBYE_MS, goodbye, noop)));
    await this.#pools.close(GOODBYE_MS);
    return released;
  }

  #isStopped(): boolean {
    return this.#stopped !== undefined;
  }

  async #maintain(): Promise<void> {
    await Promise.allSettled([
      this.#parts.workers.retryReleases(),
      this.#parts.usage.flush(this.#pools.db),
      this.#parts.budget.refresh(this.#pools.db, () => this.#parts.spending.flush(this.#pools.db)),
    ]);
  }

  async #wakeDue(): Promise<void> {
    for (const id of await sourcesWithWork(this.#pools.db)) this.#parts.workers.wake(id);
  }

  /** Follows what has changed among the sources, and drains those that have work; stops when there are to be none any more. */
  async #refresh(): Promise<void> {
    if (this.#isStopped()) return;
    this.#parts.questions.look();
    try {
      if (await isLeaving(this.#pools.db)) {
        this.events.emit("uninstalled");
        void this.stop();
        return;
      }
      await this.#parts.workers.refresh(await loadSources(this.#pools.db));
      await this.#wakeDue();
      if (this.#wasOutage) this.events.emit("source_recovered", { source: undefined });
      this.#wasOutage = false;
    } catch (error) {
      if (this.#isStopped()) return;
      const problem = describeDatabaseError(error);
      this.events.emit("source_failing", { source: undefined, problem, isOutage: isOfEveryTable(error) });
      this.#parts.workers.wakeAll();
    }
  }
}

function noop(): void {
  // If a goodbye fails, the missed heartbeats free our claims anyway.
}
