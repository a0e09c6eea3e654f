import { RAISE_LIMIT, REWORD, SENT_SLOWER, SHORTEN, TRIED_LATER } from "./what-follows.ts";
import { isIP } from "node:net";
import type { Complaint } from "./complaint.ts";
import { overLimitOf } from "./over-limit.ts";
import { ProviderError, type ProviderErrorKind, type TooMuch } from "./provider-error.ts";
import { retryAfterMs, type Headers } from "./traffic/rate-hints.ts";
import { scrub } from "./scrub.ts";

/** What an error message needs to say what to do, and what it must never repeat. */
export interface ErrorContext {
  /** The address asked, without credentials or query: `https://api.openai.com/v1/embeddings`. */
  readonly address: string;
  readonly model: string;
  /** The names of the settings that a user would change. */
  readonly settings: {
    readonly address: string;
    /** Undefined if no key may be sent: the server is a source's own, and its key was not named. */
    readonly key: string | undefined;
    readonly model: string;
  };
  /** Keys and header values: never printed. */
  readonly secrets: readonly string[];
  /** What follows from a failure that passes, or is a text's, for what asks for no vectors of rows. */
  readonly consequence?: string;
  /** Understands answers that only this provider gives. */
  readonly recognise?: (status: number, complaint: Complaint) => ProviderError | undefined;
}

const SETUP_CODES =
  /^(model_not_found|invalid_model|unknown_model|deploymentnotfound|(invalid_)?api_key(_invalid)?|unsupported_parameter)$/i;
/** Gemini answers a key that is wrong or has expired with 400. */
const KEY_REFUSED =
  /\bapi key (not valid|expired|not found|is invalid)|invalid api key|please pass a valid api key/i;
const SETUP_PARAMS = /^(model|dimensions|encoding_format|output_dimension|input_type|task)$/;
const QUOTA_CODES =
  /^(insufficient_quota|billing_hard_limit_reached|billing_not_active|insufficient_balance|authz_insufficient_balance|arrearage)$/i;
/** Codes of services that do not say 429, or not only. */
const THROTTLED_CODES =
  /^(throttling|throttlingexception|toomanyrequestsexception|throttling\.\w+|rate_limit_exceeded|too_many_requests)$/i;
const TOO_LONG =
  /context[ _]?length|context size|maximum (context|input|sequence)|too (long|many tokens|large to process)|must have less than|max(imum)?[ _](input[ _])?tokens|string_above_max_length|exceeds? .{0,40}(tokens?|length|context)|tokens? .{0,20}exceeds?|supports? (only )?up to \d+ (input )?tokens?|range of input length|(token|text) (count|length) .{0,40}(limit|supports|allowed)/i;
/** Such a message is about the pace or the account, whatever else it has of tokens and limits. */
const ABOUT_PACE = /\b(rate|quota|usage|plan|billing|concurren\w+|per (second|minute|hour|day|month))\b/i;
/** Such a message is about what is in a text, and about no number of texts. */
const ABOUT_LENGTH = /token|context|sequence|character|too large to process/i;
/** The number of texts that a message allows. */
const ALLOWED =
  /(?:max\w*|most|limit\w*|allow\w*|larger than|more than|exceed\w*|up to|<=?|≤)\D{0,30}?(\d+)/gi;
/** A request that is too big as a whole: its texts may be accepted in smaller ones. */
const TOO_MANY_TOKENS =
  /too many tokens (in|per) (the )?(batch|request)|max(imum)? \d+ tokens per request|tokens? (in|per) (the )?(batch|request)/i;
const TOO_MANY_INPUTS =
  /batch[ _]?size|too many (inputs|items|texts|documents|instances)|(number|size|length) of (the )?(inputs?|batch|texts|items|documents|requests)|at most \d+ (inputs|items|texts|documents|requests|instances)|(inputs?|items|texts|documents|requests) in (one|a|the) batch/i;

/** Refusals that pass, as do those from 440 on (servers' own inventions) except 451. Any other 4xx waits for a person. */
const PASSING_STATUSES: ReadonlySet<number> = new Set([408, 409, 421, 423, 424, 425]);

/** An answer that is no success, as an error of one fault. */
export function classifyAnswer(
  status: number,
  headers: Headers,
  complaint: Complaint,
  texts: readonly string[],
  context: ErrorContext,
): ProviderError {
  const known = context.recognise?.(status, complaint);
  if (known !== undefined) return known;
  const overLimit = overLimitOf(status, complaint, texts.length);
  const tooMuch = texts.length > 1 ? (overLimit ?? tooMuchOf(status, complaint, texts.length)) : undefined;
  const tooLong =
    tooMuch === undefined &&
    overLimit === undefined &&
    status < 600 &&
    TOO_LONG.test(`${complaint.code} ${complaint.message}`) &&
    !ABOUT_PACE.test(complaint.message);
  const kind = overLimit === undefined ? kindOf(status, complaint, tooLong || tooMuch !== undefined) : "row";
  const isCode = /^[.:-]*\w[\w.:-]{0,63}$/.test(complaint.code);
  const code =
    isCode && scrub(complaint.code, texts, context.secrets) === complaint.code ? ` (${complaint.code})` : "";
  // Providers often repeat a part of a refused key: such an answer's message is left out altogether.
  const isAboutKey = refusesKey(status, complaint);
  const said = isAboutKey ? "" : scrub(complaint.message, texts, context.secrets);
  const isEmpty = status === 200 && complaint.message === "" && context.consequence === undefined;
  const head = `${context.address} answered ${status}${isEmpty ? " without vectors" : ""}${code}${said === "" ? "" : `: ${said}`}`;
  return new ProviderError(
    kind,
    `${head}. ${advice(kind, status, complaint, context, { tooLong, isOverLimit: overLimit !== undefined, isAboutKey, target: target(headers, texts, context) })}`,
    {
      status,
      retryAfterMs: retryAfterMs(headers) ?? complaint.retryAfterMs,
      tooLong: kind === "row" && tooLong,
      tooMuch: kind === "row" ? tooMuch : undefined,
    },
  );
}

function refusesKey(status: number, { message }: Complaint): boolean {
  return status === 401 || status === 403 || KEY_REFUSED.test(message);
}

/** What several texts had too much of together, as far as it can be told. */
function tooMuchOf(status: number, { message }: Complaint, count: number): TooMuch | undefined {
  if (status !== 400 && status !== 413 && status !== 422) return undefined;
  if (TOO_MANY_TOKENS.test(message)) return { unit: "characters" };
  if (ABOUT_LENGTH.test(message) || !TOO_MANY_INPUTS.test(message)) {
    // Without a word, a 413 is about bytes.
    return status === 413 ? { unit: "characters" } : undefined;
  }
  const [most] = [...message.matchAll(ALLOWED)].map(([, n]) => Number(n)).filter((n) => n > 0 && n < count);
  return { unit: "inputs", most };
}

function kindOf(status: number, complaint: Complaint, tooLong: boolean): ProviderErrorKind {
  if (status === 402 || QUOTA_CODES.test(complaint.code)) return "setup";
  if (status === 420 || status === 429 || THROTTLED_CODES.test(complaint.code)) return "throttled";
  if (status >= 300 && status < 400) return "setup";
  if (status === 400 || status === 413 || status === 422) {
    const isSetup =
      SETUP_CODES.test(complaint.code) ||
      SETUP_PARAMS.test(complaint.param) ||
      KEY_REFUSED.test(complaint.message);
    return isSetup ? "setup" : "row";
  }
  const isPermanent = status === 451 || (status > 400 && status < 440 && !PASSING_STATUSES.has(status));
  if (isPermanent && (!tooLong || status < 406)) return "setup";
  // Some servers answer 500 to a text over the model's limit.
  return tooLong ? "row" : "unavailable";
}

function advice(
  kind: ProviderErrorKind,
  status: number,
  complaint: Complaint,
  context: ErrorContext,
  {
    tooLong,
    isOverLimit,
    isAboutKey,
    target,
  }: {
    readonly tooLong: boolean;
    readonly isOverLimit: boolean;
    readonly isAboutKey: boolean;
    readonly target: string;
  },
): string {
  const { settings, model, consequence } = context;
  if (kind !== "setup" && consequence !== undefined) return consequence;
  if (kind === "throttled") return SENT_SLOWER;
  if (kind === "unavailable") return whatFollows(context);
  if (kind === "row") {
    if (isOverLimit) return RAISE_LIMIT;
    return tooLong ? SHORTEN : REWORD;
  }
  if (status === 402 || QUOTA_CODES.test(complaint.code))
    return "The account has no quota left: check its plan and billing.";
  if (status >= 300 && status < 400) {
    return `Redirects are not followed, since they would send the key and the texts to another server: set ${settings.address} to the address it points to${target}.`;
  }
  if (isAboutKey && settings.key === undefined) {
    return "No key was sent, since this server is the source's own: name the variable of its key with --api-key-env.";
  }
  if (isAboutKey) return `Check ${settings.key}, and that it may use the model "${model}".`;
  if (status === 407) return "Check the user and the password of the proxy (HTTPS_PROXY, HTTP_PROXY).";
  if (status === 404 || status === 405 || status === 410)
    return `Check ${settings.address} and ${settings.model} ("${model}").`;
  return `Check ${settings.model} ("${model}") and what is sent with it.`;
}

/** What follows from a failure that passes. */
export function whatFollows({ consequence }: ErrorContext): string {
  return consequence ?? TRIED_LATER;
}

/** The server that a redirect points to; not shown where its name may have a piece of a text in it. */
function target(headers: Headers, texts: readonly string[], { secrets }: ErrorContext): string {
  const { location } = headers;
  if (typeof location !== "string" || !URL.canParse(location)) return "";
  const { hostname, origin } = new URL(location);
  const isShown = isIP(hostname.replace(/^\[|\]$/g, "")) > 0 || scrub(hostname, texts, secrets) === hostname;
  return isShown ? ` (${origin})` : "";
}
