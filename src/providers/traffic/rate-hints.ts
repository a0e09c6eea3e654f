/** What a provider's headers say about its limits. */
export interface RateHints {
  readonly remainingRequests?: number | undefined;
  readonly limitRequests?: number | undefined;
  readonly remainingTokens?: number | undefined;
  /** Milliseconds until the requests (or tokens) are all there again. */
  readonly resetRequestsMs?: number | undefined;
  readonly resetTokensMs?: number | undefined;
}

export type Headers = Readonly<Record<string, string | string[] | undefined>>;

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Reads OpenAI's and Azure's `x-ratelimit-*`, and the `ratelimit-*` of the IETF draft. */
export function rateHints(headers: Headers): RateHints {
  return {
    remainingRequests: count(
      header(headers, "x-ratelimit-remaining-requests") ?? header(headers, "ratelimit-remaining"),
    ),
    limitRequests: count(header(headers, "x-ratelimit-limit-requests") ?? header(headers, "ratelimit-limit")),
    remainingTokens: count(header(headers, "x-ratelimit-remaining-tokens")),
    resetRequestsMs: durationMs(
      header(headers, "x-ratelimit-reset-requests") ?? header(headers, "ratelimit-reset"),
    ),
    resetTokensMs: durationMs(header(headers, "x-ratelimit-reset-tokens")),
  };
}

/**
 * How long the provider asks us to wait, in milliseconds: `retry-after-ms`, `retry-after` in seconds or as a date,
 * or the reset of whichever limit has run out. The caller caps it.
 */
export function retryAfterMs(headers: Headers, now = Date.now()): number | undefined {
  const exact = count(header(headers, "retry-after-ms"));
  if (exact !== undefined) return exact;
  const after = header(headers, "retry-after");
  if (after !== undefined) {
    const seconds = count(after);
    if (seconds !== undefined) return seconds * 1000;
    const date = Date.parse(after);
    if (!Number.isNaN(date)) return Math.max(0, date - now);
  }
  const hints = rateHints(headers);
  const resets = [
    hints.remainingRequests === 0 ? hints.resetRequestsMs : undefined,
    hints.remainingTokens === 0 ? hints.resetTokensMs : undefined,
  ].filter((ms) => ms !== undefined);
  return resets.length > 0 ? Math.max(...resets) : undefined;
}

/** `6m0s`, `1.5s`, `20ms`, or plain seconds. */
export function durationMs(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = count(text);
  if (seconds !== undefined) return seconds * 1000;
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, value, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    total += Number(value) * UNIT_MS[unit as keyof typeof UNIT_MS];
  }
  return total;
}

function header(headers: Headers, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function count(text: string | undefined): number | undefined {
  if (text === undefined || !/^\s*\d+(\.\d+)?\s*$/.test(text)) return undefined;
  return Number(text);
}
