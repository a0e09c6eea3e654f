import { splitText } from "../chunks/split-text.ts";
import type { Database } from "../database/connect.ts";
import { databaseFault, describeDatabaseError } from "../database/database-fault.ts";
import type { Events } from "../events.ts";
import type { Claimant } from "../queue/claims.ts";
import { claimRowsToChunk, type ClaimedRowToChunk } from "../queue/claim-rows-to-chunk.ts";
import { dropDeleted } from "../queue/drop-deleted.ts";
import type { TicketedRow } from "../queue/is-one-of.ts";
import { readText } from "../queue/read-text.ts";
import { replaceChunks } from "../queue/replace-chunks.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import { unreadableText } from "./unreadable-text.ts";
import { WorkerLoop } from "./worker-loop.ts";

/** Rows per claim. Their texts are read one at a time. */
const CLAIM_ROWS = 32;
/** Split in a second or so, during which this process does nothing else; its heartbeat may be late by three. */
const LONGEST_TEXT_CHARACTERS = 2_000_000;
/** How long a row is left alone when a statement over it has failed. */
const FAILED_DELAY_MS = 1_000;

const NOT_KEPT =
  "the table took the chunks and did not keep them: look for a BEFORE trigger of yours that returns null or changes them";

export interface ChunkContext {
  readonly db: Database;
  readonly source: ChunkedSource;
  readonly events: Events;
  /** Called when chunks were changed: the worker that embeds them has something to do. */
  readonly onSplit: () => void;
}

/** Keeps the chunks of one source true to its texts: claim, read, split, replace, until nothing is due. Asks no provider. */
export class ChunkWorker {
  readonly loop: WorkerLoop;
  readonly #context: ChunkContext;

  constructor(context: ChunkContext, claimant: Claimant) {
    const { db, source, events } = context;
    this.#context = context;
    this.loop = new WorkerLoop({ db, source, events, claimant, drain: () => this.#drain() });
  }

  async #drain(): Promise<void> {
    const { db, source } = this.#context;
    const { claims } = this.loop;
    const isStopping = (): boolean => this.loop.stopping.aborted;
    for (let more = true; more && !isStopping();) {
      const { rows, isFull } = await claims.claim(CLAIM_ROWS, (range) => claimRowsToChunk(db, source, range));
      more = isFull;
      try {
        await this.#dropDeleted(rows);
        for (const { ticket, key, state } of rows) {
          if (isStopping()) break;
          if (state === "present") await this.#split({ ticket, key });
        }
      } finally {
        const tickets = rows.map(({ ticket }) => ticket);
        await claims.release(tickets, "not split", isStopping() ? 0 : FAILED_DELAY_MS);
      }
    }
  }

  async #dropDeleted(rows: readonly ClaimedRowToChunk[]): Promise<void> {
    const { db, source, events } = this.#context;
    const { claims } = this.loop;
    const deleted = rows.filter(({ state }) => state === "deleted");
    if (deleted.length === 0) return;
    const dropped = await dropDeleted(db, source, deleted);
    claims.ended(dropped);
    events.emit("emptied", { source: source.name, rows: dropped.length });
    await claims.releaseSkipped(deleted.map(({ ticket }) => ticket));
  }

  async #split(queued: TicketedRow): Promise<void> {
    const { ticket } = queued;
    const { db, source, events, onSplit } = this.#context;
    const { claims } = this.loop;
    try {
      const found = await readText(db, source, queued, LONGEST_TEXT_CHARACTERS);
      if (typeof found?.fault === "string") {
        await claims.fail([ticket], { kind: "database", reason: unreadableText(found.fault) });
        return;
      }
      if (found?.too_long === true) {
        const reason = `the text is longer than ${LONGEST_TEXT_CHARACTERS} characters: store it in several rows`;
        await claims.fail([ticket], { kind: "too_long", reason });
        return;
      }
      const chunks = found === undefined ? [] : splitText(found.text, source.chunkSettings);
      const replaced =
        found === undefined ? undefined : await replaceChunks(db, source, queued, found.text_hash, chunks);
      if (replaced === undefined) {
        await claims.releaseSkipped([ticket]);
        return;
      }
      if (replaced.written) {
        claims.ended([ticket]);
        events.emit("split", { source: source.name, rows: 1, chunks: replaced.fresh });
      } else await claims.fail([ticket], { kind: "database", reason: NOT_KEPT });
      onSplit();
    } catch (error) {
      if (databaseFault(error) !== "row") throw error;
      const reason = `${describeDatabaseError(error)} for this row when it was split`;
      await claims.fail([ticket], { kind: "database", reason });
    }
  }
}
