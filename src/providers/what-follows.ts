import { ProviderError } from "./provider-error.ts";

/** What follows for rows. A person who waits for an answer is told something else: see `saying`. */
export const TRIED_LATER = "It is tried again later; nothing is lost.";
export const SENT_SLOWER = "It is sent again at a lower rate.";
export const NOT_STORED = "Nothing of it was stored; it is tried again later.";
export const SHORTEN = "Shorten the text, or set EMBED_ON_TOO_LONG=truncate.";
export const RAISE_LIMIT =
  "This is over the account's limit for one request: shorten the text, or have the limit raised and retry the row.";
export const REWORD = "Change the text, and it is embedded again.";

/** Of a failure that passes. */
const PASSING = [TRIED_LATER, SENT_SLOWER, NOT_STORED];
/** Of a text that is refused. */
export const REFUSED = [SHORTEN, RAISE_LIMIT, REWORD];

/** The same error, with `consequence` in place of what its message says of rows; itself where it says nothing of them. */
export function saying(error: ProviderError, consequence: string, ofRows = PASSING): ProviderError {
  const { kind, status, retryAfterMs, tooLong, tooMuch } = error;
  const message = ofRows.reduce((said, one) => said.replace(one, consequence), error.message);
  if (message === error.message) return error;
  return new ProviderError(kind, message, { status, retryAfterMs, tooLong, tooMuch, cause: error });
}
