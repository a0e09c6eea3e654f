import type { Database } from "../database/connect.ts";
import { repeat } from "../timing/repeat.ts";
import { freeClaims } from "../queue/free-claims.ts";
import {
  areOthersOfAnotherVersion,
  deregister,
  isRegistered,
  markSeen,
  markSilent,
  register,
  type ListenerId,
} from "./listener-id.ts";
import type { ListenerState } from "./listener-state.ts";
import { Takeover } from "./takeover.ts";

/** How often a listener reports that it is alive, and looks for others that are not. */
const HEARTBEAT_MS = 1_000;

export interface MembershipOptions {
  readonly db: Database;
  /** A connection of its own, so that no queue of statements silences a listener that is alive. */
  readonly heartbeatDb: Database;
  /** What the listener reports of itself. */
  readonly describe: () => ListenerState;
  /** Whether claims made under that id are still held. */
  readonly holds: (id: number) => boolean;
  /** It has a new id, or claims without an owner were freed: there may be something to claim. */
  readonly onFreed: () => void;
  /** It sleeps, and an id is asked for: it is to be woken. */
  readonly onNeeded: () => void;
}

/**
 * This process among the listeners of its database: registered, and alive by heartbeat, so that a killed listener's claims
 * are free again within five seconds, however long its requests may take.
 *
 * Only the server's clock is read, and nothing depends on a session, so clocks may be wrong and poolers in between. A
 * listener that was merely slow loses nothing but a request: each write is guarded by the place and ticket of the queue's row
 * and by the hash of the text, that of a page's row by the hash alone. A listener that cannot tell what it owns takes a new id, and frees the old one as soon as it holds nothing
 * that it knows to be claimed under it.
 */
export class Membership {
  readonly #options: MembershipOptions;
  readonly #takeover: Takeover;
  /** Rows may be claimed under any of them; one at most is registered, and new claims are made under that one. */
  #ids: readonly ListenerId[] = [];
  #registering: Promise<number> | undefined;
  #stopTimers: readonly (() => void)[] = [];
  #stopped = false;
  #asleep = false;
  /** Its row may say that it is asleep: others would not miss it, so nothing is claimed yet. */
  #announcedAsleep = false;
  readonly #waiting: (() => void)[] = [];

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#takeover = new Takeover(options.db, options.onFreed);
  }

  /**
   * The id to claim under, as soon as its row does not say asleep; a new one where the last is no longer registered.
   * @throws when it has stopped
   */
  async id(): Promise<number> {
    if (this.#announcedAsleep) await this.#untilAwake();
    const registered = this.#registered;
    if (registered !== undefined) return registered;
    if (this.#stopped) throw new Error("this listener has stopped");
    this.#registering ??= this.#register().finally(() => (this.#registering = undefined));
    return await this.#registering;
  }

  /** Every id that rows may be claimed under. */
  get ids(): number[] {
    return this.#ids.map(({ id }) => id);
  }

  /** A claim under that id got no reply: it may have been committed, or may yet be. */
  claimOutcomeUnknown(id: number): void {
    if (id === this.#registered) this.#set(id, "ambiguous");
  }

  async start(): Promise<void> {
    await this.id();
    if (this.#stopped) return;
    this.#startTimers();
    await this.#takeover.run(this.ids);
  }

  /**
   * Ends the heartbeat of a listener that holds nothing: its row says that it is asleep, so that others neither take it for
   * gone nor look for its claims.
   * @throws where that could not be said, or its row is gone: it is to be woken at once
   */
  async sleep(): Promise<void> {
    this.#asleep = true;
    this.#announcedAsleep = true;
    for (const stopTimer of this.#stopTimers) stopTimer();
    const registered = this.#registered;
    const seen = await markSeen(this.#options.heartbeatDb, this.ids, this.#describe());
    if (registered === undefined || !seen.has(registered)) throw new Error("this listener's row is gone");
  }

  /** Whether every listener knows what `asleep` says: those of another version may take a sleeping one for gone. */
  async maySleep(): Promise<boolean> {
    return !(await areOthersOfAnotherVersion(this.#options.db));
  }

  /** Whether the row that says that it is asleep is still there. */
  async isKnown(): Promise<boolean> {
    const registered = this.#registered;
    return registered !== undefined && (await isRegistered(this.#options.heartbeatDb, registered));
  }

  /** The heartbeat goes on, under a new id if the row was removed meanwhile. */
  async wake(): Promise<void> {
    this.#asleep = false;
    if (this.#stopped) return;
    this.#startTimers();
    await this.#beat();
  }

  #startTimers(): void {
    for (const stopTimer of this.#stopTimers) stopTimer();
    this.#stopTimers = [
      // The workers notice and report a database that is away.
      repeat(HEARTBEAT_MS, () => this.#beat()),
      repeat(HEARTBEAT_MS, () => Promise.allSettled([this.#takeover.run(this.ids), this.#freePrevious()])),
    ];
  }

  /** @param holdsNothing whether every claim has ended; if not, other listeners take over what is left at once. */
  async stop(holdsNothing: boolean): Promise<void> {
    this.#stopped = true;
    for (const stopTimer of this.#stopTimers) stopTimer();
    // Stopped while it starts, it is just being registered: no other listener would deregister it before long.
    await this.#registering?.catch(() => undefined);
    this.#endWaiting();
    const { heartbeatDb } = this.#options;
    const registered = this.#registered;
    if (holdsNothing && registered !== undefined) {
      await deregister(heartbeatDb, registered);
      this.#forget(registered);
    }
    await markSilent(heartbeatDb, this.ids);
    for (const id of this.ids) this.#set(id, "silent");
  }

  get #registered(): number | undefined {
    return this.#ids.find(({ state }) => state === "registered")?.id;
  }

  #set(id: number, state: ListenerId["state"]): void {
    this.#ids = this.#ids.map((known) => (known.id === id ? { id, state } : known));
  }

  #forget(id: number): void {
    this.#ids = this.#ids.filter((known) => known.id !== id);
  }

  #describe(): ListenerState {
    return { ...this.#options.describe(), ...(this.#asleep ? { asleep: true } : {}) };
  }

  async #register(): Promise<number> {
    const registered = await register(this.#options.heartbeatDb, this.#describe());
    this.#ids = [...this.#ids, registered];
    return registered.id;
  }

  async #untilAwake(): Promise<void> {
    this.#options.onNeeded();
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #endWaiting(): void {
    this.#announcedAsleep = false;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  async #beat(): Promise<void> {
    const { heartbeatDb, onFreed } = this.#options;
    const endsSleep = this.#announcedAsleep && !this.#asleep;
    const before = this.#registered;
    const seen = await markSeen(heartbeatDb, this.ids, this.#describe());
    if (before !== undefined && !seen.has(before)) this.#set(before, "deregistered");
    if (endsSleep) this.#endWaiting();
    if (this.#registered !== undefined) return;
    await this.id();
    onFreed();
  }

  async #freePrevious(): Promise<void> {
    const { db, holds } = this.#options;
    for (const { id, state } of this.#ids) {
      if (state === "registered" || holds(id)) continue;
      await freeClaims(db, id);
      if (!(await isRegistered(db, id))) this.#forget(id);
    }
  }
}
