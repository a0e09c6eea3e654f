import { claim } from "../queue/claim.ts";
import type { ClaimedRow } from "../queue/classify.ts";
import { claimPage } from "../queue/claim-page.ts";
import type { Claimant } from "../queue/claims.ts";
import { adoptVectors } from "../queue/adopt-vectors.ts";
import { takePage } from "../pages/take-page.ts";
import { Reservations } from "../queue/reservations.ts";
import { ConcurrencyLimit } from "../timing/concurrency-limit.ts";
import { ClaimSize } from "./claim-size.ts";
import { RequestBatch } from "./request-batch.ts";
import { route } from "./route.ts";
import type { SourceContext } from "./source-context.ts";
import { WorkerLoop } from "./worker-loop.ts";

/** Embeds the texts of one source: claims rows, handles those that need no request, sends the texts of the others. */
export class EmbedWorker {
  readonly loop: WorkerLoop;
  readonly #context: SourceContext;
  readonly #batch: RequestBatch;
  readonly #claimSize: ClaimSize;

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
    const requests = new ConcurrencyLimit(settings.concurrency + settings.waiting);
    this.#batch = new RequestBatch(this.#context, requests, this.loop.aborting);
    this.#claimSize = new ClaimSize(context, requests);
  }

  async #drain(): Promise<void> {
    const batch = this.#batch;
    try {
      for (let more = true; more && !this.loop.stopping.aborted;) {
        await this.#context.provider.ready(this.loop.stopping);
        await batch.hasRoom();
        const claimed = await this.#claim();
        more = !claimed.isAll;
        await route(this.#context, claimed.rows, batch);
        await batch.sendFull({ andRest: !more });
      }
    } finally {
      await batch.releaseUnsent();
    }
  }

  /** Claims what is queued; where that leaves room, rows of a backfill too. */
  async #claim(): Promise<{ readonly rows: readonly ClaimedRow[]; readonly isAll: boolean }> {
    const { batches, claims, db, lending, provider, source, writeSize } = this.#context;
    const options = { lending, maxCharacters: provider.limits.textCharacters };
    this.#batch.evictCompleted();
    const limit = this.#claimSize.next();
    // A kept plan could join the vectors' own table by reading it whole.
    const reading = source.vectorTable === null ? batches : db;
    const started = performance.now();
    const queued = await claims.claim(limit, (range) => claim(batches, source, { ...range, ...options }));
    if (queued.rows.length > 0) writeSize.claimed(performance.now() - started);
    const room = limit - queued.rows.length;
    const paged =
      room === 0
        ? { rows: [], isAll: false }
        : await claims.claimPaged({
            take: (owner, held) => takePage(db, source, owner, held),
            read: async (page) => {
              if (page.position === page.after) await adoptVectors(db, source, lending.model, page);
              return await claimPage(reading, source, page, { ...options, limit: room });
            },
            limit: room,
          });
    const rows = [...queued.rows, ...paged.rows];
    this.#claimSize.learn(rows);
    return { rows, isAll: !queued.isFull && paged.isAll };
  }
}
