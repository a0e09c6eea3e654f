import type { Database } from "../database/connect.ts";
import { respellKeys } from "../sources/respell-keys.ts";
import type { Source } from "../sources/source.ts";

/** Each time reads all that is kept of the source: the pauses are doubled up to ten minutes, as a row may be held for hours. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 600_000;

/** Writes keys again beside the work of a source: rows that were locked or claimed when it started have kept theirs. */
export class Respelling {
  readonly #db: Database;
  readonly #closing = new AbortController();
  /** When it is done again, and the pause before that, by the source's id; no time while it is being done. */
  readonly #last = new Map<number, { readonly dueAt: number; readonly pauseMs: number }>();

  constructor(db: Database) {
    this.#db = db;
  }

  /** To be called whenever the source was read. Never throws: what fails is done again. */
  async look(source: Source): Promise<void> {
    if (source.hasAlteredKey !== true) {
      this.#last.delete(source.id);
      return;
    }
    const { dueAt, pauseMs } = this.#last.get(source.id) ?? { dueAt: 0, pauseMs: FIRST_PAUSE_MS };
    if (performance.now() < dueAt) return;
    this.#last.set(source.id, { dueAt: Infinity, pauseMs });
    await respellKeys(this.#db, source, this.#closing.signal).catch(() => undefined);
    this.#last.set(source.id, {
      dueAt: performance.now() + pauseMs,
      pauseMs: Math.min(2 * pauseMs, LONGEST_PAUSE_MS),
    });
  }

  /** Ends soon what is being done. */
  close(): void {
    this.#closing.abort();
  }
}
