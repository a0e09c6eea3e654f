import { ProviderError } from "../provider-error.ts";

/** What is sent to learn whether a provider answers at all: nobody's text. */
export const PROBE_TEXT = "pg-autoembed asks: are you well?";

/** The error for a provider that refuses even that: the request is wrong, not the text. */
export function refusesAll(error: ProviderError): ProviderError {
  return new ProviderError("setup", `Even a harmless text is refused: ${error.message}`, {
    status: error.status,
  });
}
