/** No request of any provider takes as many. */
const MOST_TOKENS = 10_000_000;
/** English text has about four bytes per token, and other scripts do not have many more tokens than that. */
const BYTES_PER_TOKEN = 4;

/** The tokens that a provider reports; undefined where the number cannot be one: that counts as not told. */
export function tokenCount(value: unknown): number | undefined {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= MOST_TOKENS
    ? value
    : undefined;
}

/** About as many tokens as a provider would charge that reports none. */
export function estimateTokens(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN), 0);
}
