import type { ClaimedRow } from "../queue/claim-state.ts";
import type { ConcurrencyLimit } from "../timing/concurrency-limit.ts";
import type { SourceContext } from "./source-context.ts";

/** Rows per claim while nearly all of them are cache hits, which cost no request; and for several requests, at most. */
const LARGEST = 512;

/**
 * How many rows to claim next: enough for every request that may be sent now, so that none waits for the claims of the
 * others, and fewer where texts are long, which are held in memory until they are sent.
 */
export class ClaimSize {
  readonly #context: Pick<SourceContext, "provider" | "settings">;
  #mostlyHits = false;
  /** Characters per text, in the last claim that brought any. */
  #meanLength = 1;

  constructor(context: Pick<SourceContext, "provider" | "settings">) {
    this.#context = context;
  }

  /** @param requests the lanes that are to be filled */
  next(requests: ConcurrencyLimit): number {
    if (this.#mostlyHits) return LARGEST;
    const { provider, settings } = this.#context;
    const free = requests.width - requests.busy;
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
