import { claim, type ClaimedRow } from "../queue/claim.ts";
import type { Claimant } from "../queue/claims.ts";
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
        more = claimed.isFull;
        await route(this.#context, claimed.rows, batch);
        await batch.sendFull({ andRest: !more });
      }
    } finally {
      await batch.releaseUnsent();
    }
  }

  async #claim(): Promise<{ readonly rows: readonly ClaimedRow[]; readonly isFull: boolean }> {
    const { batches, claims, lending, provider, source, writeSize } = this.#context;
    const maxCharacters = provider.limits.textCharacters;
    this.#batch.evictCompleted();
    const started = performance.now();
    const claimed = await claims.claim(this.#claimSize.next(), (range) =>
      claim(batches, source, { ...range, lending, maxCharacters }),
    );
    this.#claimSize.learn(claimed.rows);
    if (claimed.rows.length > 0) writeSize.claimed(performance.now() - started);
    return claimed;
  }
}
