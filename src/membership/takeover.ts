import type { Database } from "../database/connect.ts";
import { freeOrphanPages } from "../pages/end-page.ts";
import { freeOrphans } from "../queue/free-orphans.ts";
import { isSilent, SILENCE_MS } from "./alive.ts";
import { freeClaims } from "../queue/free-claims.ts";

/** How often claims are looked for whose owner is not registered at all. */
const ORPHANS_MS = 5_000;

/** Frees what other listeners have claimed and cannot work on any more. */
export class Takeover {
  readonly #db: Database;
  readonly #onFreed: () => void;
  #orphansFreedAt = -Infinity;

  /** @param onFreed called when claims without a registered owner were freed; for those of silent listeners, all are notified. */
  constructor(db: Database, onFreed: () => void) {
    this.#db = db;
    this.#onFreed = onFreed;
  }

  /** Frees the claims of listeners that fell silent. A row that a user holds is freed by a later run. */
  async run(ownIds: readonly number[]): Promise<void> {
    const silent = await this.#db
      .selectFrom("autoembed.embedding_listener")
      .select("id")
      .where(isSilent)
      .where("id", "not in", [0, ...ownIds])
      .execute();
    for (const { id } of silent) await freeClaims(this.#db, id, SILENCE_MS);
    if (performance.now() - this.#orphansFreedAt < ORPHANS_MS) return;
    const freed = (await freeOrphans(this.#db)) + (await freeOrphanPages(this.#db));
    if (freed > 0) this.#onFreed();
    this.#orphansFreedAt = performance.now();
  }
}
