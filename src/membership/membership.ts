import { hostname } from "node:os";
import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { freeOrphans } from "../queue/free-orphans.ts";
import { freeClaims, isSilent } from "./free-claims.ts";
import type { ListenerState } from "./listener-state.ts";
import { VERSION } from "../version.ts";

/** How often a listener says that it is alive. */
const HEARTBEAT_MS = 1_000;
/** How often claims are looked for whose owner is not listed at all. */
const ORPHANS_MS = 5_000;
/** How long a silent listener keeps its claims; taken over, at the latest, one heartbeat later. */
const SILENCE_MS = 3_500;

export interface MembershipOptions {
  readonly db: Database;
  /** A connection of its own, so that no queue of statements silences a listener that lives. */
  readonly heartbeatDb: Database;
  /** What the listener says of itself, as JSON. */
  readonly describe: () => ListenerState;
  /** Whether claims made under that id are still held. */
  readonly holds: (id: number) => boolean;
  /** Work that is due about once a second. */
  readonly maintenance: () => Promise<unknown>;
  /** It has a new id, or claims of nobody were found: there may be something to claim. */
  readonly onFreed: () => void;
}

/**
 * This process's row in `embedding_listener`: alive by heartbeat, so that a killed listener's claims are free again
 * within five seconds however long its requests may take.
 *
 *   known ──a claim's answer is lost, or others struck it off──▶ doubted ──next claim, or beat──▶ known by a new id
 *
 * Only the server's clock is asked, and nothing hangs on a session, so clocks may be wrong and poolers in between. A
 * listener that was merely slow loses nothing but a request: each write-back is guarded by the row's ticket and by the
 * hash of its text. A listener that cannot tell what it owns takes a new id, and frees the old one as soon as nothing
 * that it does know of is held under it.
 */
export class Membership {
  readonly #options: MembershipOptions;
  #id: number | undefined;
  #appearing: Promise<number> | undefined;
  readonly #former = new Set<number>();
  #beatTimer: NodeJS.Timeout | undefined;
  #choreTimer: NodeJS.Timeout | undefined;
  #orphansFreed = -ORPHANS_MS;
  #stopped = false;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  /** embedding_listener.id, to claim under. Takes a new one where the last is doubted. @throws once it has left */
  async id(): Promise<number> {
    if (this.#id !== undefined) return this.#id;
    if (this.#stopped) throw new Error("this listener has left");
    this.#appearing ??= this.#appear().finally(() => (this.#appearing = undefined));
    return await this.#appearing;
  }

  /** Every id that claims may be held under. */
  get ids(): number[] {
    return this.#id === undefined ? [...this.#former] : [...this.#former, this.#id];
  }

  /** The outcome of a claim under `id` is not known: it may have been committed, or yet be. */
  claimOutcomeUnknown(id: number): void {
    if (this.#id !== id) return;
    this.#former.add(id);
    this.#id = undefined;
  }

  async start(): Promise<void> {
    await this.id();
    await this.#takeOver();
    if (this.#stopped) return;
    this.#scheduleBeat();
    this.#scheduleChores();
  }

  /** @param holdsNothing whether every claim has ended; if not, others take over what is left at once. */
  async stop(holdsNothing: boolean): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#beatTimer);
    clearTimeout(this.#choreTimer);
    // Stopped while it starts, it is just being listed: nobody else would strike it off.
    await this.#appearing?.catch(() => undefined);
    const { heartbeatDb } = this.#options;
    if (holdsNothing && this.#id !== undefined) {
      await heartbeatDb.deleteFrom("autoembed.embedding_listener").where("id", "=", this.#id).execute();
      this.#id = undefined;
    }
    if (this.ids.length === 0) return;
    await heartbeatDb
      .updateTable("autoembed.embedding_listener")
      .set({ seen_at: sql`'-infinity'` })
      .where("id", "in", this.ids)
      .execute();
  }

  #scheduleBeat(): void {
    this.#beatTimer = setTimeout(() => {
      // A database that is away is noticed, and told, by the workers.
      void this.#beat()
        .catch(() => undefined)
        .finally(() => {
          if (!this.#stopped) this.#scheduleBeat();
        });
    }, HEARTBEAT_MS);
  }

  #scheduleChores(): void {
    this.#choreTimer = setTimeout(() => {
      void Promise.allSettled([this.#takeOver(), this.#leaveFormer(), this.#options.maintenance()]).finally(
        () => {
          if (!this.#stopped) this.#scheduleChores();
        },
      );
    }, HEARTBEAT_MS);
  }

  async #beat(): Promise<void> {
    const { heartbeatDb, describe, onFreed } = this.#options;
    const before = this.#id;
    if (this.ids.length > 0) {
      const seen = await heartbeatDb
        .updateTable("autoembed.embedding_listener")
        .set({ seen_at: sql`now()`, state: JSON.stringify(describe()) })
        .where("id", "in", this.ids)
        .returning("id")
        .execute();
      if (before !== undefined && !seen.some(({ id }) => id === before)) this.claimOutcomeUnknown(before);
    }
    if (this.#id !== undefined) return;
    await this.id();
    onFreed();
  }

  async #appear(): Promise<number> {
    const { id } = await this.#options.heartbeatDb
      .insertInto("autoembed.embedding_listener")
      .values({
        host: hostname(),
        pid: process.pid,
        version: VERSION,
        state: JSON.stringify(this.#options.describe()),
      })
      .returning("id")
      .executeTakeFirstOrThrow();
    this.#id = id;
    return id;
  }

  /** Frees the claims of listeners that fell silent. What a user holds locked is freed by a later look. */
  async #takeOver(): Promise<void> {
    const { db } = this.#options;
    const silent = await db
      .selectFrom("autoembed.embedding_listener")
      .select("id")
      .where(isSilent(SILENCE_MS))
      .where("id", "not in", [0, ...this.ids])
      .execute();
    for (const { id } of silent) await freeClaims(db, id, SILENCE_MS);
    if (performance.now() - this.#orphansFreed < ORPHANS_MS) return;
    if ((await freeOrphans(db)) > 0) this.#options.onFreed();
    this.#orphansFreed = performance.now();
  }

  async #leaveFormer(): Promise<void> {
    for (const id of this.#former) {
      if (this.#options.holds(id)) continue;
      await freeClaims(this.#options.db, id);
      const left = await this.#options.db
        .selectFrom("autoembed.embedding_listener")
        .select("id")
        .where("id", "=", id)
        .execute();
      if (left.length === 0) this.#former.delete(id);
    }
  }
}
