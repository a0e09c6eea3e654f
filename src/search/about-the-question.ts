import { ProviderError } from "../providers/provider-error.ts";
import { saying } from "../providers/what-follows.ts";

const SEARCH_AGAIN =
  "Nothing was searched: search again in a moment, or by words too (hybrid), which need no provider.";

/** A provider's messages are about rows, which wait and are tried again. A question is not: its user decides. */
export function throwAboutTheQuestion(error: unknown): never {
  throw error instanceof ProviderError ? saying(error, SEARCH_AGAIN) : error;
}
