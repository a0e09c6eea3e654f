import type { Events } from "../events.ts";
import type { SourceSample } from "../status/sample-sources.ts";

/** How often the queue is sampled, and how far back the charts go. */
const SAMPLE_MS = 5_000;
const MINUTE_MS = 60_000;
export const HISTORY_MS = 600_000;
/** Freshness is computed from the rows of the last minutes, at most from this many. */
const REMEMBERED_AGES = 5_000;

export interface Moment {
  /** ms since the epoch. */
  readonly at: number;
  /** Rows pending and in flight, over all sources. */
  readonly queued: number;
  /** Rows that had received a vector by then, since pg-autoembed was installed. */
  readonly written: number;
}

export interface Freshness {
  readonly medianSeconds: number;
  readonly p95Seconds: number;
}

/**
 * The last minutes, in memory, for the page's charts. Throughput covers all listeners, freshness only this one. While the
 * listener sleeps, the database is asked nothing: the charts have a gap.
 */
export class History {
  readonly #sample: () => Promise<readonly SourceSample[]>;
  readonly #moments: Moment[] = [];
  readonly #ages: { readonly at: number; readonly ms: number }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isOpen = false;

  constructor(events: Events, sample: () => Promise<readonly SourceSample[]>) {
    this.#sample = sample;
    const remember = ({ freshnessMs }: { freshnessMs: readonly number[] }): void => {
      const at = Date.now();
      for (const ms of freshnessMs) this.#ages.push({ at, ms });
      if (this.#ages.length > 2 * REMEMBERED_AGES) this.#ages.splice(0, this.#ages.length - REMEMBERED_AGES);
    };
    events.on("embedded", remember);
    events.on("cached", remember);
    events.on("asleep", () => {
      this.#pause();
    });
    events.on("awake", () => {
      this.#resume();
    });
  }

  get moments(): readonly Moment[] {
    return this.#moments;
  }

  start(): void {
    this.#isOpen = true;
    this.#resume();
  }

  stop(): void {
    this.#isOpen = false;
    this.#pause();
  }

  /** Rows over the last minute; null until the queue has been sampled twice. */
  rowsPerMinute(): number | null {
    const last = this.#moments.at(-1);
    const first = this.#moments.find((moment) => last !== undefined && moment.at >= last.at - MINUTE_MS);
    if (last === undefined || first === undefined || first === last) return null;
    return ((last.written - first.written) / (last.at - first.at)) * MINUTE_MS;
  }

  /** Undefined if this listener has embedded nothing in the last minutes. */
  freshness(): Freshness | undefined {
    const since = Date.now() - HISTORY_MS;
    const ages = this.#ages.filter(({ at }) => at >= since).map(({ ms }) => ms);
    if (ages.length === 0) return undefined;
    ages.sort((a, b) => a - b);
    const at = (share: number): number => (ages[Math.floor(share * (ages.length - 1))] ?? 0) / 1000;
    return { medianSeconds: at(0.5), p95Seconds: at(0.95) };
  }

  #resume(): void {
    if (!this.#isOpen || this.#timer !== undefined) return;
    void this.#takeSample();
    this.#timer = setInterval(() => void this.#takeSample(), SAMPLE_MS);
    this.#timer.unref();
  }

  #pause(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #takeSample(): Promise<void> {
    // While the database cannot be reached, the charts have a gap.
    const samples = await this.#sample().catch(() => undefined);
    if (samples === undefined) return;
    const sum = (of: (each: SourceSample) => number): number =>
      samples.reduce((total, each) => total + of(each), 0);
    const at = Date.now();
    this.#moments.push({
      at,
      queued: sum((each) => each.pending + each.in_flight),
      written: sum((each) => each.written),
    });
    while ((this.#moments[0]?.at ?? at) < at - HISTORY_MS) this.#moments.shift();
  }
}
