import { ProviderError } from "./provider-error.ts";

/** What follows for rows. A person who waits for an answer is told something else: see `saying`. */
export const TRIED_LATER = "It is tried again later; nothing is lost.";
export const SENT_SLOWER = "It is sent again at a lower rate.";
export const NOT_STORED = "Nothing of it was stored; it is tried again later.";

/** The same error, with `consequence` where its message says what follows for rows; itself where it says nothing of them. */
export function saying(error: ProviderError, consequence: string): ProviderError {
  const { kind, status, retryAfterMs, tooLong, tooMuch } = error;
  const message = [TRIED_LATER, SENT_SLOWER, NOT_STORED].reduce(
    (said, ofRows) => said.replace(ofRows, consequence),
    error.message,
  );
  if (message === error.message) return error;
  return new ProviderError(kind, message, { status, retryAfterMs, tooLong, tooMuch, cause: error });
}
