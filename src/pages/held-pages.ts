import type { Database } from "../database/connect.ts";
import type { KeyTexts } from "../sources/key-order.ts";
import type { Source } from "../sources/source.ts";
import { endPage, type EndedPage } from "./end-page.ts";
import type { TakenPage } from "./take-page.ts";

/** How long a page is left alone that was given back: doubled each time, so that a row that is locked for hours costs little. */
const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 10_000;

/** A page that this process reads and embeds. */
export interface HeldPage extends TakenPage {
  readonly owner: number;
  /** The key of the last row that was read. */
  position: KeyTexts | null;
  isRead: boolean;
  /** Rows that were read and are not ended yet. */
  rows: number;
  done: number;
  /** Some row was left as it was. */
  isIncomplete: boolean;
}

/**
 * The pages that this process has taken of one source.
 *
 *   add ──▶ held ──its rows are read, and the last of them has ended──▶ ending ──▶ (ended)
 *                                                                         └─▶ unended, while the database is away
 */
export class HeldPages {
  readonly #db: Database;
  readonly #source: Source;
  readonly #onGivenBack: (milliseconds: number) => void;
  readonly #held = new Map<string, HeldPage>();
  readonly #unended = new Map<string, EndedPage>();
  readonly #ending = new Map<string, Promise<void>>();
  #isAmongCurrent = false;
  #isClosed = false;

  /** @param onGivenBack called when a page can be taken again after that time */
  constructor(db: Database, source: Source, onGivenBack: (milliseconds: number) => void) {
    this.#db = db;
    this.#source = source;
    this.#onGivenBack = onGivenBack;
  }

  /** Pages that are held, and that have ended here and still stand in the database. */
  get size(): number {
    return this.#held.size + this.#unended.size;
  }

  /** A page whose rows are not all read. */
  get unread(): HeldPage | undefined {
    return [...this.#held.values()].find(({ isRead }) => !isRead);
  }

  get ids(): string[] {
    return [...this.#held.keys(), ...this.#unended.keys()];
  }

  /** The last page that was read whole had nothing to embed. */
  get isAmongCurrent(): boolean {
    return this.#isAmongCurrent;
  }

  hasOwner(owner: number): boolean {
    return [...this.#held.values()].some((page) => page.owner === owner);
  }

  /** One that comes after the close is given back at once. */
  add(page: TakenPage, owner: number): HeldPage {
    const held = {
      ...page,
      owner,
      position: page.after,
      isRead: this.#isClosed,
      rows: 0,
      done: 0,
      isIncomplete: this.#isClosed,
    };
    this.#held.set(page.id, held);
    this.#endIfDone(held);
    return held;
  }

  /** Further rows of a page were read. @param position null where there are no more. */
  read(page: HeldPage, rows: number, position: KeyTexts | null): void {
    if (position === null) this.#isAmongCurrent = rows === 0 && page.position === page.after;
    page.rows += rows;
    page.position = position;
    page.isRead ||= position === null;
    this.#endIfDone(page);
  }

  /** A row of that page has ended: done, or left as it was. */
  rowEnded(id: string, isDone: boolean): void {
    const page = this.#held.get(id);
    if (page === undefined) return;
    page.rows--;
    if (isDone) page.done++;
    else page.isIncomplete = true;
    this.#endIfDone(page);
  }

  /** Gives back the pages that are not read, and waits until all that have ended have left the database. Takes no more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const page of this.#held.values()) {
      if (page.isRead) continue;
      page.isIncomplete = true;
      page.isRead = true;
      this.#endIfDone(page);
    }
    await Promise.all(this.#ending.values());
  }

  /** Tries again to end what could not be ended. @throws when the database does not answer */
  async retry(): Promise<void> {
    for (const page of this.#unended.values()) if (!this.#ending.has(page.id)) await this.#end(page);
  }

  #endIfDone(page: HeldPage): void {
    if (!page.isRead || page.rows > 0) return;
    this.#held.delete(page.id);
    const againInMs = page.isIncomplete
      ? Math.min(FIRST_DELAY_MS * 2 ** page.attempts, LONGEST_DELAY_MS)
      : null;
    const { id, owner, done } = page;
    const ended = { id, owner, done, againInMs };
    this.#unended.set(id, ended);
    const ending = this.#end(ended)
      .catch(() => undefined)
      .finally(() => this.#ending.delete(id));
    this.#ending.set(id, ending);
  }

  async #end(page: EndedPage): Promise<void> {
    await endPage(this.#db, this.#source, page);
    this.#unended.delete(page.id);
    if (page.againInMs !== null) this.#onGivenBack(page.againInMs);
  }
}
