import { urgencyOf, type Turn } from "./turn.ts";

interface Waiting {
  readonly turn: Turn;
  readonly tokens: number;
}

/** After so many more urgent starts before the one that waits longest, that one is next: at least one in eight. */
const MOST_PASSED_OVER = 7;

/**
 * The requests that wait for their start, in the order of their arrival, and which of them is next: the most urgent. Of
 * equally urgent ones the source that had the least so far for its weight (start-time fair queueing, Goyal et al. 1996), so
 * that a flood of one source delays another's single request by no more than the request that is being sent.
 */
export class Turns<Waiter extends Waiting> {
  readonly #waiting: Waiter[] = [];
  /** Per urgency and source: what it has had, in tokens per weight. */
  readonly #had = new Map<string, number>();
  /** Per urgency: what the source had that was served last. A source that comes later begins there. */
  readonly #clock = new Map<number, number>();
  #passedOver = 0;

  add(waiter: Waiter): void {
    this.#waiting.push(waiter);
  }

  remove(waiter: Waiter): void {
    const place = this.#waiting.indexOf(waiter);
    if (place !== -1) this.#waiting.splice(place, 1);
  }

  get next(): Waiter | undefined {
    const [oldest] = this.#waiting;
    if (oldest === undefined || this.#passedOver >= MOST_PASSED_OVER) return oldest;
    return this.mostUrgent;
  }

  /** Who is next but for the one that has waited longest. */
  get mostUrgent(): Waiter | undefined {
    const [first] = this.#waiting;
    if (first === undefined) return undefined;
    return this.#waiting.reduce((best, waiter) => (this.#isBefore(waiter, best) ? waiter : best), first);
  }

  started(waiter: Waiter): void {
    const [oldest] = this.#waiting;
    if (oldest === waiter) this.#passedOver = 0;
    else if (oldest !== undefined && urgencyOf(oldest.turn) > urgencyOf(waiter.turn)) this.#passedOver++;
    this.remove(waiter);
    const had = this.#hadBy(waiter.turn);
    this.#clock.set(urgencyOf(waiter.turn), had);
    this.#had.set(nameOf(waiter.turn), had + Math.max(1, waiter.tokens) / waiter.turn.weight);
    if (this.#waiting.length > 0) return;
    this.#had.clear();
    this.#clock.clear();
  }

  #isBefore(one: Waiter, other: Waiter): boolean {
    const urgency = urgencyOf(one.turn) - urgencyOf(other.turn);
    return urgency === 0 ? this.#hadBy(one.turn) < this.#hadBy(other.turn) : urgency < 0;
  }

  #hadBy(turn: Turn): number {
    return Math.max(this.#had.get(nameOf(turn)) ?? 0, this.#clock.get(urgencyOf(turn)) ?? 0);
  }
}

function nameOf({ purpose, source }: Turn): string {
  return `${purpose} ${source}`;
}
