/** Follows the name of a provider. */
export const NO_BATCHES =
  "has no batch API here: OpenAI, Azure OpenAI (at /openai/v1), Gemini, Mistral and Voyage have one. " +
  "Without --batch, the same backfill goes by requests.";
