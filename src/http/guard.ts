import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { isLoopback } from "../config.ts";

/** Why a request is not served: a status code, and one line for its sender. */
export interface Refusal {
  readonly status: 401 | 403 | 421;
  readonly message: string;
}

/**
 * Decides which requests are served.
 *
 * - With a token: a request must carry it, as a bearer token or as the password of HTTP basic authentication.
 * - Without a token (loopback only): every request from this machine is served. `Host` must be a loopback name, so that
 *   a foreign web page cannot reach us under a name that it points at 127.0.0.1 (DNS rebinding).
 * - A request that changes something must also come from our own page: `Sec-Fetch-Site` or `Origin` must match, and the
 *   form carries a token that no other site can read (CSRF).
 */
export class Guard {
  readonly #token: string | undefined;
  readonly #formToken: string;

  constructor(token: string | undefined) {
    this.#token = token;
    // Listeners behind one address accept each other's forms if they share a token.
    this.#formToken =
      token === undefined
        ? randomBytes(24).toString("base64url")
        : createHmac("sha256", token).update("pg-autoembed form").digest("base64url");
  }

  /** Every form must send this value in a hidden field called `token`. */
  get formToken(): string {
    return this.#formToken;
  }

  /** Undefined if the request may see the page and the metrics. */
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

  /** Undefined if no other site made a browser send the request. */
  foreignRefusal(request: IncomingMessage): Refusal | undefined {
    if (isSameOrigin(request)) return undefined;
    return { status: 403, message: "This request came from another site, so nothing was done." };
  }

  /** Undefined if the form came from our own page. */
  formRefusal(request: IncomingMessage, form: URLSearchParams): Refusal | undefined {
    const refusal = this.foreignRefusal(request);
    if (refusal !== undefined) return refusal;
    if (!same(form.get("token") ?? "", this.#formToken)) {
      return { status: 403, message: "This form is out of date: reload the page and try again." };
    }
    return undefined;
  }
}

/** A web page cannot forge `Sec-Fetch-Site`. Older browsers send only `Origin`, with every POST. */
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

/** Compares hashes in constant time, so that timing reveals nothing about the token. */
function same(given: string, expected: string): boolean {
  const hash = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(given), hash(expected));
}
