import type { Database } from "../database/connect.ts";
import type { Events } from "../events.ts";
import { countOpenTexts } from "../queue/counts.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import type { Source } from "../sources/source.ts";
import type { TextsToDo } from "./count-texts-left.ts";
import { RowsLeft } from "./rows-left.ts";

/**
 * What is left of the backfill of a text in chunks, in texts: a person knows how many rows there are, and not into how many
 * chunks they are cut. A text is done when it is cut and has all its vectors.
 */
export class TextsLeft {
  /** Of the chunks. */
  readonly chunks: RowsLeft;
  readonly source: ChunkedSource;
  /** The source of the chunks. */
  readonly embedder: Source;
  readonly #db: Database;
  readonly #isAll: boolean;
  #counted: TextsToDo = { toCut: 0, toEmbed: 0 };
  #areChunksCounted = false;
  #isBegun = false;
  /** Pending before the backfill, or queued by it. */
  #queued = 0;
  #open = 0;
  #done = 0;

  constructor(db: Database, events: Events, source: ChunkedSource, embedder: Source, isAll: boolean) {
    this.#db = db;
    this.source = source;
    this.embedder = embedder;
    this.#isAll = isAll;
    this.chunks = new RowsLeft(db, events, [embedder]);
  }

  /** Texts that there are to do, as far as they are counted. */
  get total(): number {
    return Math.max(this.#queued, this.#counted.toCut) + this.#counted.toEmbed;
  }

  get done(): number {
    return this.#done;
  }

  /** Looks what is pending before the backfill queues anything. */
  async begin(): Promise<void> {
    this.#open = await countOpenTexts(this.#db, this.source);
    this.#queued = this.#open;
  }

  counted({ toCut, toEmbed }: TextsToDo): void {
    this.#counted = { toCut: this.#counted.toCut + toCut, toEmbed: this.#counted.toEmbed + toEmbed };
  }

  /** All chunks that the backfill embeds are counted. */
  chunksCounted(): void {
    this.#areChunksCounted = true;
  }

  /** The backfill of the chunks was begun. */
  begun(): void {
    this.#isBegun = true;
  }

  /** Texts were queued to be cut. */
  queued(texts: number): void {
    this.#queued += texts;
  }

  /** @param isDrained nothing is pending that is waited for */
  async look(isDrained: boolean): Promise<void> {
    const isBegun = this.#isBegun;
    this.#open = isDrained ? 0 : await countOpenTexts(this.#db, this.source);
    await this.chunks.look();
    const cut = Math.max(0, this.#queued - this.#open);
    const embedded = isBegun ? this.#embeddedShare() : 0;
    // A backfill of all cuts each text again, and has its chunks embedded again.
    const both = this.#isAll ? cut * embedded : cut + this.#counted.toEmbed * embedded;
    // A text that changes meanwhile is pending again; what was shown as done stays so.
    this.#done = Math.max(this.#done, Math.min(Math.floor(both), this.total));
  }

  /** Of the chunks that its backfill embeds, from 0 to 1: 0 while nobody knows of how many. */
  #embeddedShare(): number {
    const { running, total, done } = this.chunks;
    if (running === 0) return 1;
    return this.#areChunksCounted && total > 0 ? Math.min(1, done / total) : 0;
  }
}
