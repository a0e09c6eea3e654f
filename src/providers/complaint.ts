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

/**
 * Reads an error of whatever shape: `{error: {message, code, type, param}}`, `{error: "…"}`, `{detail: [{msg}]}`,
 * `[{error: {…}}]`, `{errors: […]}`, an error as JSON within a message, or nothing.
 */
export function complaintOf(body: unknown): Complaint {
  const records = nested(body, DEPTH);
  return {
    message: messages(records, body).join(": "),
    code: first(records, CODES, word) ?? "",
    param: first(records, ["param"], nonEmpty) ?? "",
    status: first(records, ["code", "status", "statusCode", "status_code"], httpStatus),
    retryAfterMs: first(records, ["retryDelay", "retry_after", "retryAfter"], waitMs),
  };
}

type Entries = Readonly<Record<string, unknown>>;

/** The objects in it, each before what it contains; where a text is JSON, those in the text too. */
function nested(value: unknown, depth: number): Entries[] {
  if (depth === 0) return [];
  if (typeof value === "string") return /^\s*[[{]/.test(value) ? nested(parsed(value), depth - 1) : [];
  if (typeof value !== "object" || value === null) return [];
  const inner = Object.values(value).flatMap((item) => nested(item, depth - 1));
  return Array.isArray(value) ? inner : [value as Entries, ...inner];
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
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/** What is JSON is read as such. */
function sentence(value: unknown): string | undefined {
  const text = nonEmpty(Array.isArray(value) ? value[0] : value);
  return text === undefined || (/^\s*[[{]/.test(text) && parsed(text) !== undefined) ? undefined : text;
}

function nonEmpty(value: unknown): string | undefined {
  return typeof value === "string" && value.trim() !== "" ? value : undefined;
}

/** A code, and no sentence; `error` and `invalid_request_error` are what everything is. */
function word(value: unknown): string | undefined {
  return typeof value === "string" && /^[\w.:#/-]{1,64}$/.test(value) && value !== "error"
    ? value
    : undefined;
}

function httpStatus(value: unknown): number | undefined {
  const status = typeof value === "string" && /^\d{3}$/.test(value) ? Number(value) : value;
  return typeof status === "number" && status >= 400 && status < 600 ? status : undefined;
}

function waitMs(value: unknown): number | undefined {
  const ms =
    typeof value === "number" ? value * 1000 : typeof value === "string" ? durationMs(value) : undefined;
  return ms !== undefined && ms > 0 ? ms : undefined;
}
