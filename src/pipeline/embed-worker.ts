import { claim } from "../queue/claim.ts";
import type { ClaimedRow } from "../queue/claim-state.ts";
import { claimPage } from "../queue/claim-page.ts";
import type { Claimant } from "../queue/claims.ts";
import { adoptVectors } from "../queue/adopt-vectors.ts";
import { heldBackfill } from "../pages/limits.ts";
import { hasPage, takePage } from "../pages/take-page.ts";
import { findChangedByWrite } from "../queue/fail.ts";
import { Reservations } from "../queue/reservations.ts";
import { isKeyFault, withReadableKeys } from "../sources/readable-keys.ts";
import { ConcurrencyLimit } from "../timing/concurrency-limit.ts";
import { ClaimSize } from "./claim-size.ts";
import { EndlessRows } from "./endless-rows.ts";
import { RequestBatch, type Lanes } from "./request-batch.ts";
import { route } from "./route.ts";
import type { SourceContext } from "./source-context.ts";
import { WorkerLoop } from "./worker-loop.ts";

const ENDLESS =
  "writing its vector changes its text, again and again: a trigger of the table changes a column that the text has. " +
  "Leave that column out of the text, or keep the vectors in a table of their own (watch --into), and retry the row";

/** How long a backfill rests that is ahead of its pace. */
const AHEAD_MS = 1_000;

/** Embeds the texts of one source: claims rows, handles those that need no request, sends the texts of the others. */
export class EmbedWorker {
  readonly loop: WorkerLoop;
  readonly #context: SourceContext;
  readonly #lanes: Lanes;
  readonly #batch: RequestBatch;
  readonly #claimSize: ClaimSize;
  readonly #endless = new EndlessRows();

  constructor(context: Omit<SourceContext, "claims" | "loop">, claimant: Claimant) {
    const { db, source, events, lending, settings } = context;
    this.loop = new WorkerLoop({
      db,
      source,
      events,
      claimant,
      reservations: new Reservations(db, lending.model.fingerprint),
      drain: () => this.#drain(),
    });
    this.#context = { ...context, loop: this.loop, claims: this.loop.claims };
    const all = settings.concurrency + settings.waiting;
    const { backfillLanes = all, concurrency } = settings;
    const paged = backfillLanes < concurrency ? backfillLanes : all;
    this.#lanes = { changes: new ConcurrencyLimit(all), pages: new ConcurrencyLimit(paged) };
    this.#batch = new RequestBatch(this.#context, this.#lanes, this.loop.aborting);
    this.#claimSize = new ClaimSize(context);
  }

  async #drain(): Promise<void> {
    try {
      for (let isMore = true; isMore && !this.loop.stopping.aborted;) {
        await this.#context.provider.ready(this.loop.stopping);
        await this.#batch.hasRoom();
        const { wakes } = this.loop;
        isMore =
          (await this.#embedQueued()) || !(await this.#mayEmbedPaged(wakes)) || (await this.#embedPaged());
      }
    } finally {
      await this.#batch.releaseUnsent();
    }
  }

  /** Embeds what is queued. A change does not wait for a backfill to fill its request. @returns whether more may be due. */
  async #embedQueued(): Promise<boolean> {
    const { batches, claims, source, writeSize } = this.#context;
    const started = performance.now();
    const limit = this.#nextLimit(this.#lanes.changes);
    const { rows, isFull } = await claims.claim(limit, (range) =>
      claim(batches, source, { ...range, ...this.#claimOptions }),
    );
    if (rows.length > 0) writeSize.claimed(performance.now() - started);
    await this.#embed(await this.#failEndless(rows), rows.length > 0 && !isFull);
    return isFull;
  }

  /** Fails rows whose text each of our writes changes: they would be paid for without end. @returns the others */
  async #failEndless(rows: readonly ClaimedRow[]): Promise<readonly ClaimedRow[]> {
    if (rows.length === 0 || !this.#endless.isDue(rows.map(({ key }) => key))) return rows;
    const { claims, db, source } = this.#context;
    const tickets = rows.map(({ ticket }) => ticket);
    return await this.loop.releasingOnError(tickets, async () => {
      const changed = new Set(await findChangedByWrite(db, source, rows));
      const keys = rows.filter(({ ticket }) => changed.has(ticket)).map(({ key }) => key);
      const endless = new Set(this.#endless.count(keys));
      const failing = rows.filter(({ key }) => endless.has(key)).map(({ ticket }) => ticket);
      await claims.fail(failing, { kind: "database", reason: ENDLESS });
      return rows.filter(({ key }) => !endless.has(key));
    });
  }

  /** Waits for a lane for the backfill. @returns false where a change may have come first */
  async #mayEmbedPaged(wakes: number): Promise<boolean> {
    const woken = this.loop.wokenSince(wakes).then(() => false);
    return await Promise.race([this.#lanes.pages.hasRoom().then(() => true), woken]);
  }

  /** Embeds rows of the source's backfill, if there is one. @returns whether more may be left. */
  async #embedPaged(): Promise<boolean> {
    const { batches, claims, db, lending, source } = this.#context;
    if (this.loop.stopping.aborted || (await this.#isHeld())) return false;
    // A kept plan could join the vectors' own table by reading it whole.
    const reading = source.vectorTable === null ? batches : db;
    const limit = this.#nextLimit(this.#lanes.pages);
    const { rows, isDrained } = await claims.claimPaged({
      take: (taker) => takePage(db, source, taker),
      read: async (page) => {
        const read = async (): Promise<ClaimedRow[]> => {
          // A backfill of all rows embeds what another tool made.
          if (page.position === page.after && page.all_since === null)
            await adoptVectors(db, source, lending.model, page);
          return await claimPage(reading, source, page, { ...this.#claimOptions, limit });
        };
        // A page that ends with such a key is gone then; another listener may have found out first.
        return await withReadableKeys(db, [source], read, () => Promise.resolve([])).catch(
          async (error: unknown) => {
            if (isKeyFault(error) && !(await hasPage(db, page))) return [];
            throw error;
          },
        );
      },
      limit,
    });
    await this.#embed(rows, isDrained);
    return !isDrained;
  }

  /** Whether its money is spent, or it is ahead of its time. */
  async #isHeld(): Promise<boolean> {
    const { db, source, unwrittenCost } = this.#context;
    const held = await heldBackfill(db, source.id, unwrittenCost());
    if (held === null) return false;
    if (held === "ahead") this.loop.restFor(AHEAD_MS);
    await this.#batch.sendFull({ andRest: true });
    return true;
  }

  /** @param andRest also sends a request that is not full */
  async #embed(rows: readonly ClaimedRow[], andRest: boolean): Promise<void> {
    if (rows.length > 0) this.#claimSize.learn(rows);
    await route(this.#context, rows, this.#batch);
    await this.#batch.sendFull({ andRest });
  }

  #nextLimit(lanes: ConcurrencyLimit): number {
    this.#batch.evictCompleted();
    return this.#claimSize.next(lanes);
  }

  get #claimOptions() {
    const { lending, provider } = this.#context;
    return { lending, maxCharacters: provider.limits.textCharacters };
  }
}
