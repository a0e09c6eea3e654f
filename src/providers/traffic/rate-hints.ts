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
export function rateHints(headers: Headers, now = Date.now()): RateHints {
  return {
    remainingRequests: count(
      header(headers, "x-ratelimit-remaining-requests") ?? header(headers, "ratelimit-remaining"),
    ),
    limitRequests: count(header(headers, "x-ratelimit-limit-requests") ?? header(headers, "ratelimit-limit")),
    remainingTokens: count(header(headers, "x-ratelimit-remaining-tokens")),
    resetRequestsMs: durationMs(
      header(headers, "x-ratelimit-reset-requests") ?? header(headers, "ratelimit-reset"),
      now,
    ),
    resetTokensMs: durationMs(header(headers, "x-ratelimit-reset-tokens"), now),
  };
}

/**
 * How long the provider asks us to wait, in milliseconds: `retry-after-ms`, `retry-after` in seconds or as a date,
 * or the reset of whichever limit has run out. The caller caps it. A wait of nothing, or a time that is past, says nothing.
 */
export function retryAfterMs(headers: Headers, now = Date.now()): number | undefined {
  const exact = count(header(headers, "retry-after-ms"));
  const after = header(headers, "retry-after");
  const hints = rateHints(headers, now);
  const resets = [
    hints.remainingRequests === 0 ? hints.resetRequestsMs : undefined,
    hints.remainingTokens === 0 ? hints.resetTokensMs : undefined,
  ].filter((ms) => ms !== undefined);
  const named = exact ?? durationMs(after, now) ?? untilDateMs(after, now);
  const ms = named ?? (resets.length > 0 ? Math.max(...resets) : 0);
  return ms > 0 ? ms : undefined;
}

/** A date of HTTP, such as `Wed, 21 Oct 2026 07:28:30 GMT`: `Date.parse` alone takes `-1` and `5, 5` for dates too. */
function untilDateMs(text: string | undefined, now: number): number | undefined {
  if (text === undefined || !/^[A-Z][a-z]+, .*\d{4}.*\d\d:\d\d/.test(text)) return undefined;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** Plain numbers from here on are times, in seconds or in milliseconds since 1970. */
const EPOCH_SECONDS = 1e9;
const EPOCH_MS = 1e12;

/** `6m0s`, `1.5s`, `20ms`, plain seconds, or the time at which it ends as seconds or milliseconds since 1970. */
export function durationMs(text: string | undefined, now = Date.now()): number | undefined {
  if (text === undefined) return undefined;
  const number = count(text);
  if (number !== undefined) {
    if (number < EPOCH_SECONDS) return number * 1000;
    return Math.max(0, (number < EPOCH_MS ? number * 1000 : number) - now);
  }
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
