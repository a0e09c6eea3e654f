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
    remainingRequests: count(ofRequests(headers, "remaining")),
    limitRequests: count(ofRequests(headers, "limit")),
    remainingTokens: count(header(headers, "x-ratelimit-remaining-tokens")),
    resetRequestsMs: durationMs(ofRequests(headers, "reset"), now),
    resetTokensMs: durationMs(header(headers, "x-ratelimit-reset-tokens"), now),
  };
}

/**
 * How long the provider asks us to wait, in milliseconds: `retry-after-ms`, `retry-after` in seconds or as a date,
 * or the reset of whichever limit has run out. The caller caps it. A wait of nothing, or a time that is past, says nothing.
 */
export function retryAfterMs(headers: Headers, now = Date.now()): number | undefined {
  const exact = count(header(headers, "retry-after-ms"));
  const after = [headers["retry-after"] ?? []].flat().flatMap((value) => waitMs(value, now) ?? []);
  const hints = rateHints(headers, now);
  const resets = [
    hints.remainingRequests === 0 ? hints.resetRequestsMs : undefined,
    hints.remainingTokens === 0 ? hints.resetTokensMs : undefined,
  ].filter((ms) => ms !== undefined);
  const named = exact === undefined ? after : [exact];
  const ms = Math.max(0, ...(named.length > 0 ? named : resets));
  return ms > 0 ? ms : undefined;
}

function waitMs(text: string, now: number): number | undefined {
  return durationMs(text, now) ?? untilDateMs(text, now);
}

/** The three forms of a date that HTTP knows: `Date.parse` alone takes `-1` and `5, 5` for dates too. */
const HTTP_DATE = /^[A-Z][a-z]{2,8},? .*\d\d:\d\d:\d\d/;
const ZONE = /(?:[A-Z]|[+-]\d\d:?\d\d)$/;
const ISO_DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d/;

function untilDateMs(text: string, now: number): number | undefined {
  const isHttp = HTTP_DATE.test(text);
  if (!isHttp && !ISO_DATE.test(text)) return undefined;
  // Without a zone, it is meant in GMT.
  const date = Date.parse(isHttp && !ZONE.test(text) ? `${text} GMT` : text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** Of OpenAI's headers, those that many others have, and the IETF's, which were three headers before they became one. */
function ofRequests(headers: Headers, what: "remaining" | "limit" | "reset"): string | undefined {
  const names = [`x-ratelimit-${what}-requests`, `x-ratelimit-${what}`, `ratelimit-${what}`];
  const apart = names.map((name) => header(headers, name)).find((value) => value !== undefined);
  const short = { remaining: "r", limit: "limit", reset: "t" }[what];
  const together = header(headers, "ratelimit");
  return apart ?? new RegExp(`\\b(?:${what}|${short})=(\\d+)`).exec(together ?? "")?.[1];
}

/** Plain numbers from here on are times, in seconds or in milliseconds since 1970. */
const EPOCH_SECONDS = 1e9;
const EPOCH_MS = 1e12;

/**
 * `6m0s`, `1.5s`, `20ms`, `PT6M`, plain seconds, or the time at which it ends: as ISO 8601 has it, or as seconds or
 * milliseconds since 1970.
 */
export function durationMs(given: string | undefined, now = Date.now()): number | undefined {
  if (given === undefined) return undefined;
  if (ISO_DATE.test(given)) return untilDateMs(given, now);
  const text = given
    .replace(/^\s*PT/i, "")
    .replace(/\s/g, "")
    .toLowerCase();
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
