/**
 * Whose fault a failed request is; it decides what happens next.
 * - `throttled`: asked to slow down (429). The pace drops, the request is sent again, no row is blamed.
 * - `unwell`: the provider or the way to it is broken (5xx, timeouts, resets, answers that make no sense).
 *   Retried, then the circuit opens; rows go back to pending and none is blamed.
 * - `row`: it follows a text (too long, refused, empty). The batch is halved until the offender stands alone.
 * - `setup`: the key, the model, the address or the dimensions are wrong. Nothing is sent until somebody acts.
 */
export type ProviderFault = "throttled" | "unwell" | "row" | "setup";

export class ProviderError extends Error {
  override readonly name = "ProviderError";
  readonly fault: ProviderFault;
  /** The HTTP status, where there was one. */
  readonly status: number | undefined;
  /** Milliseconds that the provider asked us to wait, where it said. */
  readonly retryAfterMs: number | undefined;
  /** A row's fault that a shorter text would not have. */
  readonly tooLong: boolean;

  constructor(
    fault: ProviderFault,
    message: string,
    options: {
      status?: number | undefined;
      retryAfterMs?: number | undefined;
      tooLong?: boolean;
      cause?: unknown;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.fault = fault;
    this.status = options.status;
    this.retryAfterMs = options.retryAfterMs;
    this.tooLong = options.tooLong ?? false;
  }
}
