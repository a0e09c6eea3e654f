import { ProviderError } from "../providers/provider-error.ts";
import { REFUSED, saying } from "../providers/what-follows.ts";

const SEARCH_AGAIN =
  "Nothing was searched: search again in a moment, or by words too (hybrid), which need no provider.";

/** A provider's messages are about rows, which wait and are tried again. A question is not: its user decides. */
export function throwAboutTheQuestion(error: unknown): never {
  if (!(error instanceof ProviderError)) throw error;
  throw error.kind === "row" ? saying(error, askOtherwise(error), REFUSED) : saying(error, SEARCH_AGAIN);
}

/** Why there is no answer, for the one who asked: neither the provider's words nor its address. */
export function whyUnanswered(error: ProviderError | DOMException): string {
  if (error instanceof ProviderError) {
    if (error.kind === "row") return `This question cannot be embedded. ${askOtherwise(error)}`;
    if (error.kind === "setup")
      return "Questions cannot be embedded as this is set up; the operator can see why.";
  }
  return "The question could not be embedded. Try again in a moment.";
}

/** What helps with a question that is refused. As `autoembed.refuse_question()` says it. */
function askOtherwise({ tooLong }: ProviderError): string {
  return tooLong ? "Ask in fewer words." : "Ask in other words.";
}
