import { once } from "node:events";
import { describeDatabaseError } from "../database/database-fault.ts";
import { pack } from "../providers/isolate/pack.ts";
import { claim, type ClaimedRow } from "../queue/claim.ts";
import { claimBatch, type Claimant } from "./claim-batch.ts";
import { ClaimCursor } from "../queue/claim-cursor.ts";
import { ClaimSize } from "./claim-size.ts";
import { DrainLoop } from "./drain-loop.ts";
import { embedPieces } from "./embed-pieces.ts";
import { giveBack, giveBackTaken } from "./give-back.ts";
import { PendingTexts, isToEmbed } from "./pending-texts.ts";
import { ConcurrencyLimit } from "../timing/concurrency-limit.ts";
import { applyCached, lookUp } from "./look-up.ts";
import { mergeRows, ticketsOf, type UniqueText } from "./unique-text.ts";
import type { SourceContext } from "./source-context.ts";

/** Rows in hand beyond which none are claimed that only wait for a text that is being embedded. */
const MOST_IN_HAND = 4_096;

/**
 * Keeps one source drained, whenever its loop is woken. Told to stop it claims no more and settles what is in flight.
 */
export class EmbedWorker {
  readonly #work: SourceContext;
  readonly #owner: Claimant;
  readonly #cursor: ClaimCursor;
  readonly #loop: DrainLoop;
  readonly #lanes: ConcurrencyLimit;
  readonly #claimSize: ClaimSize;
  readonly #inFlight = new PendingTexts();
  readonly #aborting = new AbortController();

  constructor(work: Omit<SourceContext, "wakeIn">, owner: Claimant) {
    const { events, source } = work;
    this.#loop = new DrainLoop({
      drain: () => this.#drain(),
      onFailed: (error) =>
        events.emit("troubled", { source: source.name, problem: describeDatabaseError(error) }),
      onDrained: () => void this.#tellWhenSettled(),
    });
    this.#work = {
      ...work,
      wakeIn: (milliseconds) => {
        this.#loop.wakeIn(milliseconds);
      },
    };
    this.#owner = owner;
    this.#cursor = new ClaimCursor(work.db, source);
    this.#lanes = new ConcurrencyLimit(work.settings.concurrency + work.settings.waiting);
    this.#claimSize = new ClaimSize(work, this.#lanes);
  }

  get work(): SourceContext {
    return this.#work;
  }

  /** Rows claimed and not settled yet. */
  get inFlight(): number {
    return this.#work.claims.size;
  }

  get isDraining(): boolean {
    return this.#loop.isDraining;
  }

  wake(): void {
    this.#loop.wake();
  }

  /** Resolves when no drain runs and every claim has ended. */
  async idle(): Promise<void> {
    while (this.#loop.isDraining || this.inFlight > 0) {
      await this.#loop.asleep();
      await this.#work.claims.ended();
    }
  }

  /**
   * Claims nothing more and settles what is in flight; at the deadline aborts requests and puts their rows back.
   * @returns how many rows went back to pending unsettled.
   */
  async stop(deadline: AbortSignal): Promise<number> {
    void this.#loop.stop();
    await Promise.race([this.idle(), aborted(deadline)]);
    this.#aborting.abort();
    const left = await this.#work.claims.releaseAll();
    await this.#work.claims.releaseStranded().catch(() => undefined);
    return left;
  }

  async #tellWhenSettled(): Promise<void> {
    await this.#work.claims.ended();
    if (!this.#loop.isDraining) this.#work.events.emit("drained", { source: this.#work.source.name });
  }

  /** Claim, look up, embed the rest, write back: until nothing is due. */
  async #drain(): Promise<void> {
    const { batchSize } = this.#work.settings;
    let waiting: readonly UniqueText[] = [];
    let more = true;
    try {
      while (more && !this.#loop.stopping.aborted) {
        await this.#work.provider.ready(this.#loop.stopping);
        while (this.inFlight > MOST_IN_HAND && this.#inFlight.hasParked) await this.#inFlight.unparked();
        const limit = this.#claimSize.next();
        const rows = await this.#claim(limit);
        more = rows.length === limit;
        const found = this.#inFlight.park(rows, (parked) => this.#applying(parked));
        const joined = mergeRows(waiting, found.filter(isToEmbed));
        waiting = joined.pieces;
        const taken = joined.others.filter((row) => row.state === "in_progress");
        const others = [
          ...found.filter(isSettledHere),
          ...joined.others.filter((row) => row.state === "new"),
        ];
        const hits = found.filter((row) => row.state === "cached");
        await giveBackTaken(this.#work, taken);
        if (hits.length > 0) await this.#apply(hits);
        const pieces = await this.#settling(others, () => lookUp(this.#work, others));
        waiting = [...waiting, ...pieces];
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

  async #claim(limit: number): Promise<ClaimedRow[]> {
    const { batches, cacheModel, provider, source } = this.#work;
    const maxCharacters = provider.limits.textCharacters;
    const started = performance.now();
    const rows = await claimBatch(this.#work, this.#owner, (owner) => {
      this.#inFlight.forgetLanded();
      return this.#cursor.next(limit, (range) =>
        claim(batches, source, { ...range, owner, cacheModel, maxCharacters }),
      );
    });
    this.#claimSize.learn(rows);
    if (rows.length > 0) this.#work.writeSize.claimed(performance.now() - started);
    return rows;
  }

  /** Waits for a free writer, not for the write: the next claim is made while hits are applied. */
  async #apply(hits: readonly ClaimedRow[]): Promise<void> {
    for (const part of this.#work.writeSize.cut(hits)) {
      await this.#work.writes.start(async () => {
        try {
          await this.#applying(part);
        } catch (error) {
          this.#loop.failed(error);
        }
      });
    }
  }

  #pack(pieces: readonly UniqueText[]): UniqueText[][] {
    const { provider, settings } = this.#work;
    const { inputs, characters } = provider.limits;
    return pack(pieces, ({ text }) => text, { inputs: Math.min(inputs, settings.batchSize), characters });
  }

  /** Waits for a free lane, not for the answer: the next claim is made while requests are in flight. */
  async #send(pieces: readonly UniqueText[]): Promise<void> {
    await this.#lanes.start(async () => {
      const embedded = embedPieces(this.#work, pieces, this.#aborting.signal);
      this.#inFlight.hold(
        pieces,
        embedded.then(({ written }) => written),
      );
      await embedded;
    });
  }

  /** Parts of hits, and rows that were parked, of which there may be any number: cut here too. */
  async #applying(hits: readonly ClaimedRow[]): Promise<void> {
    await this.#settling(hits, async () => {
      for (const part of this.#work.writeSize.cut(hits)) await applyCached(this.#work, part);
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
        this.#loop.restMs,
      );
      throw error;
    }
  }
}

/** It needs no vector, or can have none. */
function isSettledHere({ state }: ClaimedRow): boolean {
  return state === "blank" || state === "deleted" || state === "unreadable";
}

function aborted(signal: AbortSignal): Promise<unknown> {
  return signal.aborted ? Promise.resolve() : once(signal, "abort");
}
