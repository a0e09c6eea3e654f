import { ProviderError } from "../provider-error.ts";

/** Sent to learn whether a provider answers at all. It is not the text of any row. */
export const PROBE_TEXT = "pg-autoembed asks: are you well?";

export function isProbe(texts: readonly string[]): boolean {
  return texts.length === 1 && texts[0] === PROBE_TEXT;
}

/** The error for a provider that refuses even the probe: the request is wrong, not the text. */
export function refusesAll(error: ProviderError): ProviderError {
  return new ProviderError("setup", `Even a harmless text is refused: ${error.message}`, {
    status: error.status,
  });
}
