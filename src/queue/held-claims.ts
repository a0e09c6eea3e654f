import type { HeldRow } from "./held-rows.ts";

/** A row as it is claimed. */
export interface Claimed {
  readonly ticket: string;
  /** Null of a row of a page. */
  readonly ctid: string | null;
  readonly key: string;
  /** Milliseconds since the change was made, by the server's clock. */
  readonly age_ms: number;
  /** sha256 of its text in hex, where it was read. */
  readonly text_hash?: string | null;
}

interface Held {
  readonly ctid: string | null;
  readonly key: string;
  /** When its change was made, on this process's own clock. */
  readonly queuedAt: number;
  /** The id that it was claimed under. */
  readonly owner: number;
  /** `embedding_page.id` of a row of a page. */
  readonly page: string | undefined;
  readonly textHash: string | null;
}

/** What a statement that ends a claim is given of it. */
export interface OwnedRow extends Pick<Held, "key" | "owner"> {
  readonly ticket: string;
}

/** A row of a page, as it is held. */
export interface PagedRow extends Pick<Held, "key" | "textHash"> {
  readonly ticket: string;
  readonly page: string;
}

/** Stands for a row that is no longer held: no row of the queue has that ctid. */
const NOT_HELD = { ctid: "(0,0)", key: "", page: undefined, textHash: null };

/** The rows that this process has claimed of one source and has not ended yet, by ticket. */
export class HeldClaims {
  readonly #rows = new Map<string, Held>();
  readonly #waiting: (() => void)[] = [];

  get size(): number {
    return this.#rows.size;
  }

  get tickets(): string[] {
    return [...this.#rows.keys()];
  }

  /** Whether any row is held that was claimed under that id. */
  hasOwner(owner: number): boolean {
    return [...this.#rows.values()].some((held) => held.owner === owner);
  }

  /** Those of the tickets that are held, with the key of each and the id that it was claimed under. */
  claimsOf(tickets: readonly string[]): Map<string, OwnedRow> {
    const claims = new Map<string, OwnedRow>();
    for (const ticket of tickets) {
      const held = this.#rows.get(ticket);
      if (held !== undefined) claims.set(ticket, { ticket, key: held.key, owner: held.owner });
    }
    return claims;
  }

  keyOf(ticket: string): string | undefined {
    return this.#rows.get(ticket)?.key;
  }

  /** Milliseconds from the change to now, for each of the tickets that is held. A row of a backfill's page has not changed. */
  agesOf(tickets: readonly string[]): number[] {
    const now = performance.now();
    return tickets.flatMap((ticket) => {
      const held = this.#rows.get(ticket);
      return held === undefined || held.page !== undefined ? [] : [now - held.queuedAt];
    });
  }

  /** What the statements over claimed rows are given of a row. */
  rowOf(ticket: string): HeldRow {
    const { ctid, key } = this.#rows.get(ticket) ?? NOT_HELD;
    return { ticket, ctid, key };
  }

  /** Those of the tickets that are rows of pages, with their key, their text's hash and their page. */
  pagedOf(tickets: readonly string[]): PagedRow[] {
    return tickets.flatMap((ticket) => {
      const { page, key, textHash } = this.#rows.get(ticket) ?? NOT_HELD;
      return page === undefined ? [] : [{ ticket, page, key, textHash }];
    });
  }

  add(rows: readonly Claimed[], owner: number, page?: string): void {
    const now = performance.now();
    for (const { ticket, ctid, key, age_ms, text_hash: textHash = null } of rows)
      this.#rows.set(ticket, { ctid, key, queuedAt: now - age_ms, owner, page, textHash });
  }

  remove(tickets: readonly string[]): void {
    for (const ticket of tickets) this.#rows.delete(ticket);
    if (this.#rows.size > 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Resolves when nothing is held. */
  async empty(): Promise<void> {
    while (this.#rows.size > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
