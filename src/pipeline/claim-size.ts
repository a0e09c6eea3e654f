import type { ClaimedRow } from "../queue/claim.ts";
import type { ConcurrencyLimit } from "../timing/concurrency-limit.ts";
import type { SourceContext } from "./source-context.ts";

/** Rows a claim while nearly all of them are cache hits, which cost no request; and for several requests, at most. */
const LARGEST = 512;

/**
 * How many rows to claim next: enough for every lane that is free, so that none waits for the claims of the others, and
 * fewer of long texts, which are held in memory until they are sent.
 */
export class ClaimSize {
  readonly #work: Pick<SourceContext, "provider" | "settings">;
  readonly #lanes: ConcurrencyLimit;
  #mostlyHits = false;
  /** Characters a text, in the last claim that brought any. */
  #meanLength = 1;

  constructor(work: Pick<SourceContext, "provider" | "settings">, lanes: ConcurrencyLimit) {
    this.#work = work;
    this.#lanes = lanes;
  }

  next(): number {
    if (this.#mostlyHits) return LARGEST;
    const { provider, settings } = this.#work;
    const free = this.#lanes.width - this.#lanes.busy;
    const texts = Math.min(settings.batchSize, Math.ceil(provider.limits.characters / this.#meanLength));
    return Math.max(settings.batchSize, Math.min(free * texts, LARGEST));
  }

  learn(rows: readonly ClaimedRow[]): void {
    const lengths = rows.flatMap(({ text }) => text?.length ?? []);
    this.#mostlyHits = lengths.length * 4 < rows.length;
    if (lengths.length === 0) return;
    this.#meanLength = Math.max(1, lengths.reduce((sum, length) => sum + length) / lengths.length);
  }
}
