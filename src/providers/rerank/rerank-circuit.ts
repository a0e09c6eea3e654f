import { RerankError, type RerankFailure } from "./rerank-error.ts";

/** Failures in a row, after which it is left out. */
const FAILURES = 3;
/** The first time that it is left out, in ms; then twice as long, each time that a trial fails. */
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 300_000;

/**
 * Whether a reranker is asked. One that is down would make each search wait for its time limit.
 *
 *   asked ──failures in a row──▶ left out ──the pause is over──▶ one search tries it; the others go on without
 *     ▲                             ▲                               │
 *     │                             └──────── failed, longer ───────┤
 *     └──────────────────────────── answered ◀──────────────────────┘
 *
 * A refused question or text says nothing about the next one.
 */
export class RerankCircuit {
  readonly #now: () => number;
  #failures = 0;
  #leftOutUntil = 0;
  #pauseMs = 0;

  /** @param now in ms, on a clock that is never set back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** @throws {RerankError} `resting` while it is left out, or what the call throws */
  async run<T>(who: string, call: () => Promise<T>): Promise<T> {
    const isTrial = this.#pauseMs > 0;
    if (this.#now() < this.#leftOutUntil)
      throw new RerankError(
        "resting",
        `${who} failed ${FAILURES} times in a row and is not asked for a while.`,
      );
    // Nobody else tries it meanwhile.
    if (isTrial) this.#leftOutUntil = this.#now() + this.#pauseMs;
    try {
      const answer = await call();
      this.#answered();
      return answer;
    } catch (error) {
      if (error instanceof RerankError) this.#failed(error.failure, isTrial);
      throw error;
    }
  }

  #answered(): void {
    this.#failures = 0;
    this.#pauseMs = 0;
    this.#leftOutUntil = 0;
  }

  #failed(failure: RerankFailure, isTrial: boolean): void {
    if (failure === "refused") {
      this.#answered();
      return;
    }
    this.#failures++;
    // Requests that were under way when it was left out say nothing new.
    if (!isTrial && (this.#failures < FAILURES || this.#pauseMs > 0)) return;
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, 2 * this.#pauseMs));
    this.#leftOutUntil = this.#now() + this.#pauseMs;
  }
}
