import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { isLoopback } from "../config.ts";

/** Why a request is not served: a status, and a line for the person who sees it. */
export interface Refusal {
  readonly status: 401 | 403 | 421;
  readonly message: string;
}

/**
 * Who may ask, and whether it is they who ask.
 *
 * - With a token: whoever knows it, as a bearer token or as the password of HTTP basic authentication.
 * - Without one (loopback only): whoever is on this machine; `Host` must be a loopback name, so that a web page
 *   elsewhere cannot reach us under a name of its own that it points at 127.0.0.1.
 * - What changes something must also come from our own page: `Sec-Fetch-Site` or `Origin` say so, and the form
 *   carries a token that no other site can read.
 */
export class Guard {
  readonly #token: string | undefined;
  readonly #formToken: string;

  constructor(token: string | undefined) {
    this.#token = token;
    // Listeners behind one address accept each other's forms, where they share a token.
    this.#formToken =
      token === undefined
        ? randomBytes(24).toString("base64url")
        : createHmac("sha256", token).update("pg-autoembed form").digest("base64url");
  }

  /** Belongs into every form, in a hidden field called `token`. */
  get formToken(): string {
    return this.#formToken;
  }

  /** Undefined where the request may see the page and the metrics. */
  refusal(request: IncomingMessage): Refusal | undefined {
    if (this.#token === undefined) {
      return isLoopback(hostName(request))
        ? undefined
        : { status: 421, message: "Ask for this page as localhost or 127.0.0.1." };
    }
    const given = credentials(request.headers.authorization);
    if (given !== undefined && same(given, this.#token)) return undefined;
    return { status: 401, message: "Give EMBED_HTTP_TOKEN as the password, or as a bearer token." };
  }

  /** Undefined where the form came from our own page. */
  formRefusal(request: IncomingMessage, form: URLSearchParams): Refusal | undefined {
    if (!isSameOrigin(request)) {
      return { status: 403, message: "This request came from another site, and was not carried out." };
    }
    if (!same(form.get("token") ?? "", this.#formToken)) {
      return { status: 403, message: "This form is out of date: reload the page and try again." };
    }
    return undefined;
  }
}

/** `Sec-Fetch-Site` cannot be forged by a page; `Origin` is what older browsers send with every POST. */
function isSameOrigin({ headers }: IncomingMessage): boolean {
  const site = headers["sec-fetch-site"];
  if (site !== undefined) return site === "same-origin";
  if (headers.origin === undefined) return true;
  return URL.canParse(headers.origin) && new URL(headers.origin).host === headers.host;
}

function hostName({ headers }: IncomingMessage): string {
  const url = `http://${headers.host ?? ""}`;
  return URL.canParse(url) ? new URL(url).hostname : "";
}

function credentials(authorization = ""): string | undefined {
  const [scheme = "", value = ""] = authorization.split(" ", 2);
  if (scheme.toLowerCase() === "bearer") return value;
  if (scheme.toLowerCase() !== "basic") return undefined;
  const pair = Buffer.from(value, "base64").toString();
  return pair.slice(pair.indexOf(":") + 1);
}

/** Compares hashes, so that the time it takes tells nothing. */
function same(given: string, expected: string): boolean {
  const hash = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(given), hash(expected));
}
