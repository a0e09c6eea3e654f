import { durationMs } from "./traffic/rate-hints.ts";

/** A provider's own description of a failure. */
export interface Complaint {
  readonly message: string;
  readonly code: string;
  readonly param: string;
  /** A status in the body, which counts where the answer itself says 200. */
  readonly status?: number | undefined;
  /** How long it asks us to wait, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
}

/** In the order in which they are believed. */
const MESSAGES = [
  "message",
  "msg",
  "detail",
  "details",
  "error",
  "errors",
  "raw",
  "error_description",
  "reason",
  "title",
];
const CODES = ["code", "type", "error_code", "error_type", "status", "__type", "reason"];
/** Wrappers around wrappers: a gateway hands on the answer of a gateway. */
const DEPTH = 6;
/** Of a message, as much as is looked at. */
const LONGEST = 4_000;

/**
 * Reads an error of whatever shape: `{error: {message, code, type, param}}`, `{error: "…"}`, `{detail: [{msg}]}`,
 * `[{error: {…}}]`, `{errors: […]}`, an error as JSON within a message, or nothing.
 */
export function complaintOf(body: unknown): Complaint {
  const records = nested(typeof body === "string" ? parsed(body) : body, DEPTH);
  const said = messages(records, body);
  return {
    message: said.join(": "),
    code: first(records, CODES, word) ?? "",
    param: first(records, ["param"], nonEmpty) ?? "",
    status: first(records, ["code", "status", "statusCode", "status_code"], httpStatus),
    retryAfterMs:
      first(records, ["retryDelay", "retry_after", "retryAfter"], waitMs) ??
      first(records, ["retry_after_ms", "retryAfterMs"], positive) ??
      waitInWords(said.join(" ")),
  };
}

type Entries = Readonly<Record<string, unknown>>;

/** What a service repeats of a request: nothing in there is its own word. */
const REPEATED = /^(inputs?|texts?|documents?|contents?|prompts?|requests?|body|data)$/i;
const MOST_RECORDS = 200;

/** The objects in it, each before what it contains; where a message is JSON, those in the message too. */
function nested(value: unknown, depth: number): Entries[] {
  if (depth === 0 || typeof value !== "object" || value === null) return [];
  if (Array.isArray(value)) return value.slice(0, MOST_RECORDS).flatMap((item) => nested(item, depth - 1));
  const inner = Object.entries(value).flatMap(([name, item]: [string, unknown]) => {
    if (REPEATED.test(name)) return [];
    if (typeof item !== "string") return nested(item, depth - 1);
    return MESSAGES.includes(name) ? nested(parsed(item), depth - 1) : [];
  });
  return [value as Entries, ...inner].slice(0, MOST_RECORDS);
}

/** The outermost message, and the one that a gateway hands on. */
function messages(records: readonly Entries[], body: unknown): string[] {
  const outer = first(records, MESSAGES, sentence) ?? sentence(body);
  if (outer === undefined) return [];
  const inner = first(records.toReversed(), MESSAGES, sentence);
  return inner === undefined || outer.includes(inner) ? [outer] : [outer, inner];
}

function first<T>(
  records: readonly Entries[],
  names: readonly string[],
  read: (value: unknown) => T | undefined,
): T | undefined {
  for (const record of records) {
    for (const name of names) {
      const value = read(record[name]);
      if (value !== undefined) return value;
    }
  }
  return undefined;
}

function parsed(json: string): unknown {
  if (!/^\s*[[{]/.test(json)) return undefined;
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/** What is JSON is read as such. */
function sentence(value: unknown): string | undefined {
  const text = nonEmpty(Array.isArray(value) ? value[0] : value);
  return text === undefined || parsed(text) !== undefined ? undefined : text.slice(0, LONGEST);
}

function nonEmpty(value: unknown): string | undefined {
  return typeof value === "string" && value.trim() !== "" ? value : undefined;
}

/** A code, and no sentence; `error` is what everything is. */
function word(value: unknown): string | undefined {
  return typeof value === "string" && /^[\w.:#/-]{1,64}$/.test(value) && value !== "error"
    ? value
    : undefined;
}

function httpStatus(value: unknown): number | undefined {
  const status = typeof value === "string" && /^\d{3}$/.test(value) ? Number(value) : value;
  return typeof status === "number" && status >= 400 && status < 600 ? status : undefined;
}

const UNIT_MS = { millisecond: 1, second: 1_000, minute: 60_000, hour: 3_600_000, day: 86_400_000 } as const;

/** `Please try again in 20s.`, `Please retry after 7 seconds.` A number alone may be a year. */
function waitInWords(message: string): number | undefined {
  const [, time = "", unit] =
    /\b(?:try again|retry|retrying) (?:in|after) (\d[\dhms.]*)(?: (millisecond|second|minute|hour|day)s?\b)?/i.exec(
      message,
    ) ?? [];
  const count = time.replace(/\.$/, "");
  if (unit === undefined) return /[hms]/.test(count) ? positive(durationMs(count)) : undefined;
  return positive(Number(count) * UNIT_MS[unit.toLowerCase() as keyof typeof UNIT_MS]);
}

function positive(value: unknown): number | undefined {
  return typeof value === "number" && value > 0 ? value : undefined;
}

function waitMs(value: unknown): number | undefined {
  const ms =
    typeof value === "number" ? value * 1000 : typeof value === "string" ? durationMs(value) : undefined;
  return positive(ms);
}
