import type { Database } from "../database/connect.ts";
import { repeat } from "../timing/repeat.ts";
import { freeClaims } from "./free-claims.ts";
import { deregister, isRegistered, markSeen, markSilent, register, type ListenerId } from "./listener-id.ts";
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
}

/**
 * This process among the listeners of its database: registered, and alive by heartbeat, so that a killed listener's claims
 * are free again within five seconds, however long its requests may take.
 *
 * Only the server's clock is read, and nothing depends on a session, so clocks may be wrong and poolers in between. A
 * listener that was merely slow loses nothing but a request: each write is guarded by the row's ticket and by the hash of
 * its text. A listener that cannot tell what it owns takes a new id, and frees the old one as soon as it holds nothing
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

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#takeover = new Takeover(options.db, options.onFreed);
  }

  /** The id to claim under; a new one where the last is no longer registered. @throws when it has stopped */
  async id(): Promise<number> {
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
    await this.#takeover.run(this.ids);
    if (this.#stopped) return;
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

  async #register(): Promise<number> {
    const { heartbeatDb, describe } = this.#options;
    const registered = await register(heartbeatDb, describe());
    this.#ids = [...this.#ids, registered];
    return registered.id;
  }

  async #beat(): Promise<void> {
    const { heartbeatDb, describe, onFreed } = this.#options;
    const before = this.#registered;
    const seen = await markSeen(heartbeatDb, this.ids, describe());
    if (before !== undefined && !seen.has(before)) this.#set(before, "deregistered");
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
