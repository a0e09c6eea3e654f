/** Just under the measured rate, so that a bucket which has just run dry can fill a little. */
const BELOW_MEASURED = 0.98;
/** A measured rate of less than this share of the last one is another limit, and not the cost of a pause. */
const SAME_LIMIT = 0.5;
/** Two in a row of less than this share are another limit too. */
const SURELY_SAME = 0.7;
/** How far above the measured rate another limit is looked for. */
const ABOVE_MEASURED = 1.4;
/** Of the way to the rate that was nearly accepted, the share that is made up per request. */
const APPROACH = 0.03;
/** The increase per request while no rate was refused yet, as a share of the measured rate. */
const FIRST_INCREASE = 0.004;
/** The increase near a known limit: 2 % after 200 requests, 4 % after 300, twice as much after 1,000. */
const INCREASE = 0.000_05;
const FASTER_AFTER = 130;
/** How far below the refused rate it goes on: 3 % after a long search, and up to 7 % where the next refusal came at once. */
const LEAST_DECREASE = 0.03;
const MOST_DECREASE = 0.07;
const SHORT_SEARCH = 2.5;
/** A rate that was refused twice, but for this share, is the limit: it is neared more slowly, until it is passed. */
const REFUSED_TWICE = 0.05;
const SLOWER_IF_TWICE = 3;
const PASSED = 1.06;

/**
 * Finds the rate that a provider allows. In windows of a second, a refusal costs the whole next window: so the search is
 * slow near a rate that was refused before, as in CUBIC (RFC 9438), and fast far below and, after long acceptance, above it.
 *
 *   no limit known ──+0.4 % per request──▶ refused ──▶ a little below, or the measured rate where that is far less
 *                                             ▲                          │
 *                                             └─ slowly, then faster ────┘
 *
 * Rates are requests per millisecond.
 */
export class RateSearch {
  readonly #max: number;
  /** Undefined, and no limit, until the first measurement. */
  #rate: number | undefined;
  #measured = 0;
  /** A little below the rate that was refused last. */
  #ceiling: number | undefined;
  #acceptedSinceRefusal = 0;
  /** The last measured rate was far lower than expected. */
  #mayBeAnother = false;
  /** The last two refusals were at about the same rate. */
  #isConfirmed = false;

  constructor(max: number | undefined) {
    this.#max = max ?? Number.POSITIVE_INFINITY;
    this.#rate = max;
  }

  get rate(): number | undefined {
    return this.#rate;
  }

  /** A request was accepted that the rate had made wait: only then does that say anything about the rate. */
  accepted(): void {
    if (this.#rate === undefined) return;
    this.#acceptedSinceRefusal++;
    this.#rate = Math.min(this.#max, this.#rate + this.#increase(this.#rate));
  }

  refused(): void {
    if (this.#rate === undefined) return;
    const decrease = Math.max(LEAST_DECREASE, SHORT_SEARCH / this.#acceptedSinceRefusal);
    const ceiling = this.#rate * (1 - Math.min(MOST_DECREASE, decrease));
    this.#isConfirmed = this.#ceiling !== undefined && Math.abs(ceiling / this.#ceiling - 1) < REFUSED_TWICE;
    this.#ceiling = ceiling;
  }

  /** @param measured requests accepted from one pause to the next, over the time that it took, the pause included */
  measured(measured: number): void {
    this.#measured = measured;
    this.#acceptedSinceRefusal = 0;
    const share = this.#ceiling === undefined ? 0 : measured / this.#ceiling;
    const isSame = share > SURELY_SAME || (share > SAME_LIMIT && !this.#mayBeAnother);
    this.#mayBeAnother = isSame && share <= SURELY_SAME;
    if (this.#ceiling !== undefined && !isSame) this.#ceiling = ABOVE_MEASURED * measured;
    this.#rate = Math.min(this.#max, isSame ? (this.#ceiling ?? measured) : BELOW_MEASURED * measured);
  }

  #increase(rate: number): number {
    if (this.#ceiling === undefined) return FIRST_INCREASE * this.#measured;
    const slower = this.#isConfirmed && rate < PASSED * this.#ceiling ? SLOWER_IF_TWICE : 1;
    const faster = 1 + (this.#acceptedSinceRefusal / (FASTER_AFTER * slower)) ** 2;
    const search = (INCREASE / slower) * faster * this.#measured;
    return search + Math.max(0, APPROACH * (this.#ceiling - rate));
  }
}
