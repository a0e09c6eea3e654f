import { NOT_STORED, SENT_SLOWER, TRIED_LATER } from "../providers/what-follows.ts";
import { ProviderError } from "../providers/provider-error.ts";

const SEARCH_AGAIN =
  "Nothing was searched: search again in a moment, or by words too (hybrid), which need no provider.";

/** A provider's messages are about rows, which wait and are tried again. A question is not: its user decides. */
export function throwAboutTheQuestion(error: unknown): never {
  if (!(error instanceof ProviderError)) throw error;
  const { kind, status, retryAfterMs, tooLong, tooMuch } = error;
  const message = [TRIED_LATER, SENT_SLOWER, NOT_STORED].reduce(
    (said, ofRows) => said.replace(ofRows, SEARCH_AGAIN),
    error.message,
  );
  throw new ProviderError(kind, message, { status, retryAfterMs, tooLong, tooMuch, cause: error });
}
