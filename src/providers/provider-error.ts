/**
 * Why a request failed; it decides what happens next.
 * - `throttled`: the provider asks for fewer requests (429). The rate drops, the request is sent again, no row fails.
 * - `unavailable`: the provider or the way to it is broken (5xx, timeouts, resets, answers that make no sense).
 *   Retried, then the circuit opens; rows go back to pending and none fails.
 * - `row`: a text causes it (too long, refused, empty). The batch is halved until that text stands alone.
 * - `setup`: the key, the model, the address or the dimensions are wrong. Nothing is sent until an operator acts.
 */
export type ProviderErrorKind = "throttled" | "unavailable" | "row" | "setup";

/** What a request had too much of. */
export interface TooMuch {
  /** Tokens and bytes are counted as characters; `unknown` teaches nothing. */
  readonly unit: "inputs" | "characters" | "unknown";
  /** How many inputs a request may have, where the provider named it. */
  readonly most?: number | undefined;
}

export class ProviderError extends Error {
  override readonly name = "ProviderError";
  readonly kind: ProviderErrorKind;
  /** The HTTP status, where there was one. */
  readonly status: number | undefined;
  /** Milliseconds that the provider asked us to wait, where it named a time. */
  readonly retryAfterMs: number | undefined;
  /** Of the kind `row`: a shorter text would be accepted. */
  readonly tooLong: boolean;
  /** Of the kind `row`, for several texts: possibly each of them would be accepted in a smaller request. */
  readonly tooMuch: TooMuch | undefined;

  constructor(
    kind: ProviderErrorKind,
    message: string,
    options: {
      status?: number | undefined;
      retryAfterMs?: number | undefined;
      tooLong?: boolean;
      tooMuch?: TooMuch | undefined;
      cause?: unknown;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.status = options.status;
    this.retryAfterMs = options.retryAfterMs;
    this.tooLong = options.tooLong ?? false;
    this.tooMuch = options.tooMuch;
  }
}
