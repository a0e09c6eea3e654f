import type { Database } from "../database/connect.ts";
import type { Events } from "../events.ts";
import { backfillProgress } from "../pages/backfills.ts";
import type { Source } from "../sources/source.ts";

/**
 * What is left of the backfills of some sources. Every listener takes part, and tells what it has done page by page; the
 * one of this process is heard at once.
 */
export class RowsLeft {
  readonly #db: Database;
  readonly #events: Events;
  readonly #sources: readonly Source[];
  #counted = 0;
  #doneHere = 0;
  /** By all processes, before this backfill and at the last look. */
  #doneBefore: number | undefined;
  #doneThere = 0;
  #running = 0;
  #stopped = 0;

  constructor(db: Database, events: Events, sources: readonly Source[]) {
    this.#db = db;
    this.#events = events;
    this.#sources = sources;
    events.on("paged", this.#heard);
  }

  /** Backfills that were under way at the last look. */
  get running(): number {
    return this.#running;
  }

  /** Of these, the ones that have stopped at their money. */
  get stopped(): number {
    return this.#stopped;
  }

  /** Rows that there were to embed, as far as they are counted. */
  get total(): number {
    return Math.max(this.#counted, this.#doneHere);
  }

  /** Rows that are done, as far as is known. */
  get done(): number {
    return Math.max(this.#doneThere, this.#doneHere);
  }

  /** Of these, the rows that were left at the last look: at least one while a backfill is under way. */
  get rows(): number {
    return this.#running === 0 ? 0 : Math.max(1, this.total - this.done);
  }

  /** Adds rows that were found to embed. */
  counted(rows: number): void {
    this.#counted += rows;
  }

  async look(): Promise<void> {
    const { running, stopped, done } = await backfillProgress(this.#db, this.#sources);
    this.#doneBefore ??= done;
    this.#running = running;
    this.#stopped = stopped;
    this.#doneThere = Math.max(this.#doneThere, done - this.#doneBefore);
  }

  /** Hears no more events. */
  end(): void {
    this.#events.off("paged", this.#heard);
  }

  readonly #heard = ({ source, rows }: { readonly source: string; readonly rows: number }): void => {
    if (this.#sources.some(({ name }) => name === source)) this.#doneHere += rows;
  };
}
