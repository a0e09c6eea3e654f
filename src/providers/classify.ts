import { ProviderError, type ProviderErrorKind } from "./provider-error.ts";
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
  /** Understands answers that only this provider gives. */
  readonly recognise?: (status: number, complaint: Complaint) => ProviderError | undefined;
}

/** A provider's own description of a failure. */
export interface Complaint {
  readonly message: string;
  readonly code: string;
  readonly param: string;
}

const SETUP_CODES =
  /^(model_not_found|invalid_model|unknown_model|deploymentnotfound|invalid_api_key|unsupported_parameter)$/i;
const SETUP_PARAMS = /^(model|dimensions|encoding_format|output_dimension|input_type|task)$/;
const QUOTA_CODES = /^(insufficient_quota|billing_hard_limit_reached|billing_not_active)$/;
const TOO_LONG =
  /context[ _]?length|context size|maximum (context|input|sequence)|too (long|many tokens|large to process)|must have less than|max(imum)?[ _](input[ _])?tokens|string_above_max_length|exceeds? .{0,40}(tokens|length|context)/i;

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
  const tooLong = status < 600 && TOO_LONG.test(`${complaint.code} ${complaint.message}`);
  const kind = kindOf(status, complaint, tooLong);
  const code = /^[\w.:-]{1,64}$/.test(complaint.code) ? ` (${complaint.code})` : "";
  // Providers often repeat a part of a refused key: such an answer's message is left out altogether.
  const said = status === 401 || status === 403 ? "" : scrub(complaint.message, texts, context.secrets);
  const head = `${context.address} answered ${status}${code}${said === "" ? "" : `: ${said}`}`;
  return new ProviderError(kind, `${head}. ${advice(kind, status, complaint, headers, context, tooLong)}`, {
    status,
    retryAfterMs: retryAfterMs(headers),
    tooLong: kind === "row" && tooLong,
  });
}

function kindOf(status: number, complaint: Complaint, tooLong: boolean): ProviderErrorKind {
  if (QUOTA_CODES.test(complaint.code)) return "setup";
  if (status === 429) return "throttled";
  if (status >= 300 && status < 400) return "setup";
  if (status === 400 || status === 413 || status === 422) {
    return SETUP_CODES.test(complaint.code) || SETUP_PARAMS.test(complaint.param) ? "setup" : "row";
  }
  if (status === 401 || status === 402 || status === 403 || status === 404 || status === 405) return "setup";
  // Some servers answer 500 to a text over the model's limit.
  return tooLong ? "row" : "unavailable";
}

function advice(
  kind: ProviderErrorKind,
  status: number,
  complaint: Complaint,
  headers: Headers,
  context: ErrorContext,
  tooLong: boolean,
): string {
  const { settings, model } = context;
  if (kind === "throttled") return "It is sent again at a lower rate.";
  if (kind === "unavailable") return "It is tried again later; nothing is lost.";
  if (kind === "row") {
    return tooLong
      ? "Shorten the text, or set EMBED_ON_TOO_LONG=truncate."
      : "Change the text, and it is embedded again.";
  }
  if (QUOTA_CODES.test(complaint.code)) return "The account has no quota left: check its plan and billing.";
  if (status >= 300 && status < 400) {
    return `Redirects are not followed, since they would send the key and the texts to another server: set ${settings.address} to the address it points to${target(headers)}.`;
  }
  if ((status === 401 || status === 403) && settings.key === undefined) {
    return `No key was sent, since this is not the server of ${settings.address}: name the variable of its key with --api-key-env.`;
  }
  if (status === 401 || status === 403)
    return `Check ${settings.key}, and that it may use the model "${model}".`;
  if (status === 404 || status === 405)
    return `Check ${settings.address} and ${settings.model} ("${model}").`;
  return `Check ${settings.model} ("${model}") and what is sent with it.`;
}

function target(headers: Headers): string {
  const location = headers["location"];
  if (typeof location !== "string" || !URL.canParse(location)) return "";
  return ` (${new URL(location).origin})`;
}

/** Reads `{error: {message, code, type, param}}`, `{error: "…"}`, `{detail: …}`, `{message}`, or nothing. */
export function complaintOf(body: unknown): Complaint {
  const top = asRecord(body);
  const inner = asRecord(top["error"]);
  const message = [inner["message"], top["error"], top["message"], top["detail"], top["msg"]].find(
    (candidate) => typeof candidate === "string",
  );
  const code = [inner["code"], inner["type"], top["code"], top["error_type"], top["type"]].find(
    (candidate) => typeof candidate === "string",
  );
  const param = inner["param"] ?? top["param"];
  return {
    message: message ?? "",
    code: code ?? "",
    param: typeof param === "string" ? param : "",
  };
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}
