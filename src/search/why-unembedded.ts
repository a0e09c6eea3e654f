import { invocation } from "../invocation.ts";
import { ProviderError } from "../providers/provider-error.ts";

/**
 * Why a question could not be embedded, for the person who searches: without the provider's words.
 * @throws the error, if it is not the provider's
 */
export function whyUnembedded(error: unknown): string {
  if (!(error instanceof ProviderError)) throw error;
  if (error.kind === "setup")
    return `Questions cannot be embedded as this is set up (${invocation("doctor")} says why), so only the words were looked for.`;
  if (error.kind === "row") return "This question cannot be embedded, so only its words were looked for.";
  return JUST_NOW;
}

const JUST_NOW = "The question could not be embedded just now, so only its words were looked for.";
