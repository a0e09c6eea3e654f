import { NOT_STORED } from "./what-follows.ts";
import { ProviderError } from "./provider-error.ts";

/**
 * The error for an answer with another number of vectors than texts. One vector for many texts is the answer of a server
 * that takes one text per request: it is asked so from then on.
 */
export function wrongCount(who: string, given: number, count: number): ProviderError {
  const message = `${who} gave ${given} vectors for ${count} texts. ${NOT_STORED}`;
  return given === 1 && count > 2
    ? new ProviderError("row", message, { status: 200, tooMuch: { unit: "inputs", most: 1 } })
    : new ProviderError("unavailable", message, { status: 200 });
}
