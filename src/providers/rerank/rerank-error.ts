/**
 * How a reranker failed.
 * - `late`: it did not answer in time.
 * - `throttled`: it wants fewer requests.
 * - `unavailable`: it is down, or cannot be reached.
 * - `refused`: it does not take these texts or this question.
 * - `setup`: the key, the model or the address is wrong.
 * - `malformed`: its answer is no ranking of these texts.
 * - `resting`: it failed several times in a row, and was not asked.
 */
export type RerankFailure =
  "late" | "throttled" | "unavailable" | "refused" | "setup" | "malformed" | "resting";

/** Its message is for the operator: it has no text, no question and no key. */
export class RerankError extends Error {
  override readonly name = "RerankError";
  readonly failure: RerankFailure;

  constructor(failure: RerankFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.failure = failure;
  }
}
