import type { Config } from "../config.ts";
import { connect, vectorTypeOid, type Database } from "../database/connect.ts";
import { describeDatabaseError } from "../database/database-fault.ts";
import { Events } from "../pipeline/events.ts";
import { Lanes } from "../pipeline/lanes.ts";
import { loadSources } from "../sources/load-sources.ts";
import { Idleness } from "./idleness.ts";
import { Notifications } from "./notifications.ts";
import { Presence } from "./presence.ts";
import { Providers } from "./providers.ts";
import { SourceWorkers } from "./source-workers.ts";
import { Usage } from "./usage.ts";
import { waitUntilSettled } from "./settled.ts";

/** Write-backs in flight; one more connection claims, one beats. */
const WRITERS = 3;

export interface Listener {
  readonly events: Events;
  /** Connects, checks, and begins to work. @throws {SetupError} where it cannot ever work as configured. */
  start(): Promise<void>;
  /** Resolves when nothing is pending and nothing is in flight, in any listener: for tests and scripts. */
  settled(signal?: AbortSignal): Promise<void>;
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
  readonly #presence: Presence;
  readonly #notifications: Notifications;
  readonly #workers: SourceWorkers;
  readonly #usage: Usage;
  #poll: NodeJS.Timeout | undefined;
  #stopped: Promise<number> | undefined;

  constructor(config: Config & { readonly DATABASE_URL: string }) {
    this.#config = config;
    this.#db = connect({
      databaseUrl: config.DATABASE_URL,
      maxConnections: WRITERS + 2,
      ownSessions: config.LISTEN_DATABASE_URL === undefined,
    });
    this.#usage = new Usage(this.events);
    const providers = new Providers(config);
    this.#presence = new Presence(
      this.#db,
      () => ({ providers: providers.describe(), in_flight: this.#workers.inFlight }),
      () => this.#beat(),
    );
    this.#workers = new SourceWorkers({
      db: this.#db,
      config,
      providers,
      events: this.events,
      writes: new Lanes(WRITERS),
      owner: () => this.#presence.id,
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
    const idleness = new Idleness(
      this.#db,
      () => this.#presence.id,
      () => {
        this.#workers.wakeAll();
      },
    );
    this.events.on("claimed", () => {
      idleness.worked();
    });
    this.events.on("drained", () => {
      if (this.#workers.quiet) idleness.rested();
    });
  }

  async start(): Promise<void> {
    await this.#workers.open(await loadSources(this.#db), await vectorTypeOid(this.#db));
    await this.#presence.start();
    this.#notifications.start();
    this.#workers.wakeAll();
    this.#poll = setInterval(() => void this.#look(), this.#config.EMBED_POLL_MS);
  }

  async settled(signal?: AbortSignal): Promise<void> {
    await waitUntilSettled(this.#db, signal);
  }

  stop(): Promise<number> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<number> {
    clearInterval(this.#poll);
    const deadline = AbortSignal.timeout(this.#config.EMBED_SHUTDOWN_MS);
    await this.#notifications.stop();
    const left = await this.#workers.close(deadline);
    await this.#usage.flush(this.#db).catch(() => undefined);
    await this.#presence.stop().catch(() => undefined);
    await this.#db.destroy();
    return left;
  }

  /** Sees what changed among the sources, and drains them all. */
  async #look(): Promise<void> {
    if (this.#stopped !== undefined) return;
    try {
      await this.#workers.refresh(await loadSources(this.#db));
    } catch (error) {
      this.events.emit("troubled", { source: "", problem: describeDatabaseError(error) });
    }
    this.#workers.wakeAll();
  }

  async #beat(): Promise<void> {
    await this.#workers.releaseStranded();
    await this.#usage.flush(this.#db);
  }
}
