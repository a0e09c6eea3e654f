import { databaseFault, describeDatabaseError, mayBeCommitted } from "../database/database-fault.ts";
import { pack } from "../providers/pack.ts";
import { claim, type ClaimedRow } from "../queue/claim.ts";
import { ClaimCursor } from "./claim-cursor.ts";
import { embedPieces } from "./embed-pieces.ts";
import { giveBack, giveBackTaken } from "./give-back.ts";
import { InFlight } from "./in-flight.ts";
import { Lanes } from "./lanes.ts";
import { applyCached, lookUp } from "./look-up.ts";
import { join, ticketsOf, type Piece } from "./piece.ts";
import type { Work } from "./work.ts";

/** Rows a claim while nearly all of them are cache hits, which cost no request. */
const CACHED_CLAIM = 512;
/** Rows a claim for several requests, at most. */
const LARGEST_CLAIM = 512;
/** Rows in hand beyond which none are claimed that only wait for a text that is being embedded. */
const MOST_IN_HAND = 4_096;
/** How long a failed drain rests before the next try; doubled up to the poll by its successors. */
const FIRST_REST_MS = 250;
const LONGEST_REST_MS = 5_000;

/** Under which `embedding_listener.id` rows are claimed. */
export interface Owner {
  id(): Promise<number>;
  /** A claim under that id got no answer: nobody knows what it owns now. */
  doubt(id: number): void;
}

/**
 * Keeps one source drained.
 *
 *   asleep ──wake──▶ draining ──nothing due──▶ asleep
 *                       │  ▲ wake: remembered, and drained again
 *                       └──┘
 *   any ──stop──▶ stopping: claims no more, settles what is in flight ──▶ stopped
 */
export class SourceWorker {
  readonly #work: Work;
  readonly #owner: Owner;
  readonly #cursor: ClaimCursor;
  readonly #lanes: Lanes;
  readonly #inFlight = new InFlight();
  readonly #parked = new Set<Promise<void>>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #stopping = new AbortController();
  readonly #aborting = new AbortController();
  #draining: Promise<void> | undefined;
  #again = false;
  #restMs = FIRST_REST_MS;

  constructor(work: Omit<Work, "wakeIn">, owner: Owner) {
    this.#work = {
      ...work,
      wakeIn: (milliseconds) => {
        this.#wakeIn(milliseconds);
      },
    };
    this.#owner = owner;
    this.#cursor = new ClaimCursor(work.db, work.source);
    this.#lanes = new Lanes(work.settings.concurrency + work.settings.waiting);
  }

  get work(): Work {
    return this.#work;
  }

  /** Rows claimed and not settled yet. */
  get inFlight(): number {
    return this.#work.claims.size;
  }

  /** Drains what is due. Called while draining, it makes the drain look once more before it ends. */
  wake(): void {
    if (this.#isStopping()) return;
    this.#again = true;
    this.#draining ??= this.#run().finally(() => {
      this.#draining = undefined;
      if (this.#again) this.wake();
      else void this.#tellWhenDrained();
    });
  }

  /** Resolves when no drain runs and every claim has ended. */
  async idle(): Promise<void> {
    while (this.#draining !== undefined || this.inFlight > 0) {
      await this.#draining;
      await this.#work.claims.ended();
    }
  }

  /**
   * Claims nothing more and settles what is in flight; at the deadline aborts requests and puts their rows back.
   * @returns how many rows went back to pending unsettled.
   */
  async stop(deadline: AbortSignal): Promise<number> {
    this.#stopping.abort();
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.race([this.idle(), aborted(deadline)]);
    this.#aborting.abort();
    const left = await this.#work.claims.releaseAll();
    await this.#work.claims.releaseStranded().catch(() => undefined);
    return left;
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#isStopping()) {
      this.#again = false;
      try {
        await this.#drain();
        this.#restMs = FIRST_REST_MS;
      } catch (error) {
        if (!this.#isStopping()) this.#rest(error);
      }
    }
  }

  async #tellWhenDrained(): Promise<void> {
    await this.#work.claims.ended();
    if (this.#draining === undefined) this.#work.events.emit("drained", { source: this.#work.source.name });
  }

  /** Claim, look up, embed the rest, write back: until nothing is due. */
  async #drain(): Promise<void> {
    const { batchSize } = this.#work.settings;
    let waiting: readonly Piece[] = [];
    let hitsOnly = false;
    let more = true;
    try {
      while (more && !this.#isStopping()) {
        await this.#work.provider.ready(this.#stopping.signal);
        while (this.inFlight > MOST_IN_HAND && this.#parked.size > 0) await Promise.race(this.#parked);
        const claimSize = hitsOnly ? CACHED_CLAIM : this.#sizeOfClaim();
        const rows = await this.#claim(claimSize);
        more = rows.length === claimSize;
        const found = this.#park(rows);
        const joined = join(waiting, found.filter(isToEmbed));
        waiting = joined.pieces;
        const taken = joined.others.filter((row) => row.state === "taken");
        const others = [
          ...found.filter(isSettledHere),
          ...joined.others.filter((row) => row.state === "new"),
        ];
        const hits = found.filter((row) => row.state === "cached");
        await giveBackTaken(this.#work, taken);
        if (hits.length > 0) await this.#apply(hits);
        const pieces = await this.#settling(others, () => lookUp(this.#work, others));
        waiting = [...waiting, ...pieces];
        hitsOnly = pieces.length * 4 < rows.length;
        // Cache hits leave a request half empty: it is filled by another claim before it is sent.
        if (more && waiting.length < batchSize && this.inFlight < MOST_IN_HAND) continue;
        const requests = this.#pack(waiting);
        const last = requests.at(-1) ?? [];
        waiting = more && requests.length > 1 && last.length < batchSize ? (requests.pop() ?? []) : [];
        for (const request of requests) await this.#send(request);
      }
    } finally {
      await giveBack(this.#work, ticketsOf(waiting), "not sent", 0);
    }
  }

  /** Enough for every lane that is free, so that none waits for the claims of the others. */
  #sizeOfClaim(): number {
    const { batchSize } = this.#work.settings;
    const free = this.#lanes.width - this.#lanes.busy;
    return Math.max(batchSize, Math.min(free * batchSize, LARGEST_CLAIM));
  }

  async #claim(limit: number): Promise<ClaimedRow[]> {
    const { db, cacheModel, provider, claims, events, source } = this.#work;
    const owner = await this.#owner.id();
    this.#inFlight.forgetLanded();
    const maxCharacters = provider.limits.textCharacters;
    const rows = await this.#cursor
      .next(limit, (range) => claim(db, source, { ...range, owner, cacheModel, maxCharacters }))
      .catch((error: unknown) => {
        if (mayBeCommitted(error)) this.#owner.doubt(owner);
        throw error;
      });
    claims.add(rows, owner);
    if (rows.length > 0) events.emit("claimed", { source: source.name, rows: rows.length });
    return rows;
  }

  /** Puts rows aside whose text is being embedded now; they receive that vector from the cache. */
  #park(rows: readonly ClaimedRow[]): ClaimedRow[] {
    const waiting = new Map<Promise<unknown>, ClaimedRow[]>();
    const others = rows.filter((row) => {
      const embedded = isToEmbed(row) ? this.#inFlight.find(row) : undefined;
      if (embedded === undefined) return true;
      waiting.set(embedded, [...(waiting.get(embedded) ?? []), row]);
      return false;
    });
    for (const [embedded, parked] of waiting) this.#applyAfter(embedded, parked);
    return others;
  }

  /** Waits for a free writer, not for the write: the next claim is made while hits are applied. */
  async #apply(hits: readonly ClaimedRow[]): Promise<void> {
    await this.#work.writes.launch(async () => {
      try {
        await this.#settling(hits, () => applyCached(this.#work, hits));
      } catch (error) {
        if (!this.#isStopping()) this.#rest(error);
      }
    });
  }

  #applyAfter(embedded: Promise<unknown>, rows: readonly ClaimedRow[]): void {
    const parked: Promise<void> = embedded
      .then(() => this.#settling(rows, () => applyCached(this.#work, rows)))
      .catch(() => undefined)
      .finally(() => this.#parked.delete(parked));
    this.#parked.add(parked);
  }

  #pack(pieces: readonly Piece[]): Piece[][] {
    const { provider, settings } = this.#work;
    const { inputs, characters } = provider.limits;
    return pack(pieces, ({ text }) => text, { inputs: Math.min(inputs, settings.batchSize), characters });
  }

  /** Waits for a free lane, not for the answer: the next claim is made while requests are in flight. */
  async #send(pieces: readonly Piece[]): Promise<void> {
    await this.#lanes.launch(async () => {
      const embedded = embedPieces(this.#work, pieces, this.#aborting.signal);
      this.#inFlight.hold(
        pieces,
        embedded.then(({ written }) => written),
      );
      await embedded;
    });
  }

  /** Puts the rows back when a statement fails over them. */
  async #settling<T>(rows: readonly ClaimedRow[], settle: () => Promise<T>): Promise<T> {
    try {
      return await settle();
    } catch (error) {
      const problem = describeDatabaseError(error);
      await giveBack(
        this.#work,
        rows.map((row) => row.ticket),
        problem,
        this.#restMs,
      );
      throw error;
    }
  }

  #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  #rest(error: unknown): void {
    this.#work.events.emit("troubled", {
      source: this.#work.source.name,
      problem: describeDatabaseError(error),
    });
    this.#wakeIn(databaseFault(error) === "server" ? this.#restMs : LONGEST_REST_MS);
    this.#restMs = Math.min(2 * this.#restMs, LONGEST_REST_MS);
  }

  #wakeIn(milliseconds: number): void {
    if (this.#isStopping()) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.wake();
    }, milliseconds);
    this.#timers.add(timer);
  }
}

/** Its text has no vector yet. */
function isToEmbed({ state }: ClaimedRow): boolean {
  return state === "new" || state === "taken";
}

/** It needs no vector, or can have none. */
function isSettledHere({ state }: ClaimedRow): boolean {
  return state === "blank" || state === "gone" || state === "unreadable";
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else
      signal.addEventListener(
        "abort",
        () => {
          resolve();
        },
        { once: true },
      );
  });
}
