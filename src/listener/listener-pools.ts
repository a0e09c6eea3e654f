import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { openPool } from "../database/pools.ts";
import { withTimeout } from "../timing/with-timeout.ts";
import { StarvedParts } from "./starved-parts.ts";

type Part = "listener" | "batches" | "heartbeat";

/** The connections of a listener, apart by what they are for: no part uses up those of another. */
export class ListenerPools {
  /** For all but the following two. */
  readonly db: Database;
  /** Claims and writes vectors; its sessions keep their plans. */
  readonly batches: Database;
  readonly heartbeat: Database;
  readonly #starved = new StarvedParts<Part>();

  constructor(config: Config & { readonly DATABASE_URL: string }) {
    const open = (part: Part): Database =>
      openPool(part, config, {
        onStarved: (isStarved) => {
          this.#starved.set(part, isStarved);
        },
      });
    this.db = open("listener");
    this.batches = open("batches");
    this.heartbeat = open("heartbeat");
  }

  /** Whether a part has no connection, because none is free. */
  get isStarved(): boolean {
    return this.#starved.isAny;
  }

  /** @param waitMs how long it waits for each, at most */
  async close(waitMs: number): Promise<void> {
    const pools = [this.db, this.batches, this.heartbeat];
    await Promise.all(pools.map((pool) => withTimeout(waitMs, pool.destroy(), () => undefined)));
  }
}
