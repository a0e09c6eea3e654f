import type { Database } from "../database/connect.ts";
import type { Events } from "../events.ts";
import { pendingRows } from "../queue/counts.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import type { Source } from "../sources/source.ts";
import { TextsLeft } from "./texts-left.ts";
import { RowsLeft } from "./rows-left.ts";

/** What there is to do for some sources, and what of it is done, in rows of the user. */
export class Work {
  /** Of the sources whose texts are embedded whole. */
  readonly whole: RowsLeft;
  readonly wholeSources: readonly Source[];
  readonly inChunks: readonly TextsLeft[];
  /** The total cannot grow any more, unless rows change. */
  isCounted = false;
  readonly #db: Database;
  /** Rows embedded whole that were pending before, or have become so. */
  #queued = 0;
  #pending = 0;
  #hasPending = true;
  #hadBegun = false;

  /** @param sources with those that embed the chunks of the chunked ones */
  constructor(
    db: Database,
    events: Events,
    sources: readonly Source[],
    chunked: readonly ChunkedSource[],
    isAll: boolean,
  ) {
    this.#db = db;
    this.inChunks = chunked.flatMap((source) => {
      const embedder = sources.find(({ id }) => id === source.embeddedBy);
      return embedder === undefined ? [] : [new TextsLeft(db, events, source, embedder, isAll)];
    });
    this.wholeSources = sources.filter(
      ({ id }) => !this.inChunks.some((texts) => texts.source.embeddedBy === id),
    );
    this.whole = new RowsLeft(db, events, this.wholeSources);
  }

  /** The names that the user gave. */
  get names(): string[] {
    return [...this.inChunks.map(({ source }) => source.name), ...this.wholeSources.map(({ name }) => name)];
  }

  /** Backfills that were under way at the last look. */
  get running(): number {
    return this.#sum((left) => left.running);
  }

  /** Of these, the ones that have stopped at their money. */
  get stopped(): number {
    return this.#sum((left) => left.stopped);
  }

  /** At the last look, all backfills had begun, and none was under way but those that have stopped at their money. */
  get hasEnded(): boolean {
    return this.#hadBegun && this.running === this.stopped;
  }

  get total(): number {
    return this.#queued + this.whole.total + this.inChunks.reduce((sum, texts) => sum + texts.total, 0);
  }

  get done(): number {
    const whole = Math.max(0, this.#queued + this.whole.total - this.#wholeLeft);
    return whole + this.inChunks.reduce((sum, texts) => sum + texts.done, 0);
  }

  /** At least one while anything is pending or a backfill is under way. */
  get pending(): number {
    const left = this.inChunks.reduce((sum, { total, done }) => sum + total - done, this.#wholeLeft);
    return this.#hasPending || this.running > 0 ? Math.max(1, left) : 0;
  }

  /** Looks what is pending before the backfill queues anything. */
  async begin(): Promise<void> {
    this.#queued = await pendingRows(this.#db, this.wholeSources);
    this.#pending = this.#queued;
    for (const texts of this.inChunks) await texts.begin();
  }

  /**
   * @param queued rows in the queue of all these sources, chunks too: those that are waited for
   * @param hasBegun whether all backfills have begun by now: one that begins meanwhile may not be seen
   */
  async look(queued: number, hasBegun: boolean): Promise<void> {
    this.#hadBegun = hasBegun;
    this.#hasPending = queued > 0;
    await this.whole.look();
    for (const texts of this.inChunks) await texts.look(queued === 0);
    const isWholeAlone = this.inChunks.length === 0 || queued === 0;
    const pending = isWholeAlone ? queued : await pendingRows(this.#db, this.wholeSources);
    // What users change meanwhile is to be done too: what was shown as done stays so.
    this.#queued += Math.max(0, pending - this.#pending);
    this.#pending = pending;
  }

  /** Hears no more events. */
  end(): void {
    this.whole.end();
    for (const { chunks } of this.inChunks) chunks.end();
  }

  get #wholeLeft(): number {
    return this.#pending + this.whole.rows;
  }

  #sum(of: (left: RowsLeft) => number): number {
    return of(this.whole) + this.inChunks.reduce((sum, { chunks }) => sum + of(chunks), 0);
  }
}
