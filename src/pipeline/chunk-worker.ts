import { databaseFault, describeDatabaseError } from "../database/database-fault.ts";
import type { Database } from "../database/connect.ts";
import { claimBatch, type Claimant } from "./claim-batch.ts";
import { ClaimCursor } from "../queue/claim-cursor.ts";
import { ClaimLedger } from "../queue/claim-ledger.ts";
import { DrainLoop } from "./drain-loop.ts";
import type { Events } from "../events.ts";
import { giveBack, giveBackLocked } from "./give-back.ts";
import { dropDeleted } from "../queue/drop-deleted.ts";
import { claimRowsToChunk, type ClaimedRowToChunk } from "../queue/claim-rows-to-chunk.ts";
import { readText } from "../queue/read-text.ts";
import { replaceChunks } from "../queue/replace-chunks.ts";
import { splitText } from "../chunks/split-text.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";

/** Rows a claim. Their texts are read one at a time. */
const CLAIM = 32;
/** Cut in a second or so, during which this process does nothing else; its heartbeat may fail for three. */
const LONGEST_TEXT_CHARACTERS = 2_000_000;
/** How long a row is left alone when a statement over it has failed. */
const FAILED_DELAY_MS = 1_000;

const NOT_KEPT =
  "the table took the passages and did not keep them: look for a BEFORE trigger of yours that returns null or changes them";

export interface Chunking {
  readonly db: Database;
  readonly source: ChunkedSource;
  readonly events: Events;
  /** Passages were changed: whoever embeds them has something to do. */
  readonly onSplit: () => void;
}

/** Keeps the passages of one source true to its texts: claim, read, cut, replace, until nothing is due. No provider is asked. */
export class ChunkWorker {
  readonly work: Chunking & { readonly claims: ClaimLedger; readonly wakeIn: (milliseconds: number) => void };
  readonly #owner: Claimant;
  readonly #cursor: ClaimCursor;
  readonly #loop: DrainLoop;

  constructor(splitting: Chunking, owner: Claimant) {
    const { db, source, events } = splitting;
    this.#owner = owner;
    this.#cursor = new ClaimCursor(db, source);
    this.#loop = new DrainLoop({
      drain: () => this.#drain(),
      onFailed: (error) =>
        events.emit("troubled", { source: source.name, problem: describeDatabaseError(error) }),
      onDrained: () => events.emit("drained", { source: source.name }),
    });
    this.work = {
      ...splitting,
      claims: new ClaimLedger(db, source, ""),
      wakeIn: (milliseconds) => {
        this.#loop.wakeIn(milliseconds);
      },
    };
  }

  get inFlight(): number {
    return this.work.claims.size;
  }

  get isDraining(): boolean {
    return this.#loop.isDraining;
  }

  wake(): void {
    this.#loop.wake();
  }

  /** Claims nothing more; what is being written is written. @returns how many rows went back to pending. */
  async stop(): Promise<number> {
    await this.#loop.stop();
    const left = await this.work.claims.releaseAll();
    await this.work.claims.releaseStranded().catch(() => undefined);
    return left;
  }

  async #drain(): Promise<void> {
    const isStopping = (): boolean => this.#loop.stopping.aborted;
    for (let more = true; more;) {
      const rows = await this.#claim();
      more = rows.length === CLAIM && !isStopping();
      try {
        await this.#dropGone(rows);
        for (const { ticket, state } of rows) {
          if (isStopping()) break;
          if (state === "present") await this.#split(ticket);
        }
      } finally {
        const tickets = rows.map(({ ticket }) => ticket);
        await giveBack(this.work, tickets, "not cut", isStopping() ? 0 : FAILED_DELAY_MS);
      }
    }
  }

  async #claim(): Promise<ClaimedRowToChunk[]> {
    const { db, source } = this.work;
    return claimBatch(this.work, this.#owner, (owner) =>
      this.#cursor.next(CLAIM, (range) => claimRowsToChunk(db, source, { ...range, owner })),
    );
  }

  async #dropGone(rows: readonly ClaimedRowToChunk[]): Promise<void> {
    const { db, source, claims, events } = this.work;
    const tickets = rows.filter(({ state }) => state === "deleted").map(({ ticket }) => ticket);
    if (tickets.length === 0) return;
    const done = await dropDeleted(db, source, tickets);
    claims.done(done.map(({ ticket }) => ticket));
    events.emit("emptied", { source: source.name, rows: done.length });
    await giveBackLocked(this.work, tickets);
  }

  async #split(ticket: string): Promise<void> {
    const { db, source, claims, events, onSplit } = this.work;
    try {
      const found = await readText(db, source, ticket, LONGEST_TEXT_CHARACTERS);
      if (found?.too_long === true) {
        const reason = `the text is longer than ${LONGEST_TEXT_CHARACTERS} characters: store it in several rows`;
        await this.#giveUp(ticket, "too_long", reason);
        return;
      }
      const passages = found === undefined ? [] : splitText(found.text, source.chunkSettings);
      const replaced =
        found === undefined ? undefined : await replaceChunks(db, source, ticket, found.text_hash, passages);
      if (replaced === undefined) {
        await giveBackLocked(this.work, [ticket]);
        return;
      }
      if (replaced.done) {
        claims.done([ticket]);
        events.emit("split", { source: source.name, rows: 1, passages: replaced.fresh });
      } else await this.#giveUp(ticket, "database", NOT_KEPT);
      onSplit();
    } catch (error) {
      if (databaseFault(error) !== "row") throw error;
      await this.#giveUp(ticket, "database", `${describeDatabaseError(error)} for this row when it was cut`);
    }
  }

  async #giveUp(ticket: string, kind: "too_long" | "database", reason: string): Promise<void> {
    const { source, claims, events } = this.work;
    const rows = await claims.fail([ticket], reason);
    events.emit("failed", { source: source.name, rows, kind, reason });
  }
}
