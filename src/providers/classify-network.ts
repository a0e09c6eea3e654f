import { whatFollows, type ErrorContext } from "./classify.ts";
import { LONGEST_HEADERS } from "./dispatcher.ts";
import { ProviderError } from "./provider-error.ts";
import { ProxyRefusal } from "./proxy-connections.ts";

const NAME_UNKNOWN = new Set(["ENOTFOUND", "ERR_INVALID_URL"]);
const UNTRUSTED =
  /^(CERT_|ERR_TLS_|ERR_SSL_|UNABLE_TO_|DEPTH_ZERO_SELF_SIGNED_CERT$|SELF_SIGNED_CERT_|HOSTNAME_MISMATCH$|EPROTO$)/;

/**
 * Makes an error of a request that got no whole answer. It shows the network error's code alone: the rest of such an
 * error may hold a proxy's password or a piece of the body.
 * @param proxy the variable with the address of a proxy, if one may have been asked
 */
export function classifyNetworkError(
  error: unknown,
  context: ErrorContext,
  proxy: string | undefined,
): ProviderError {
  if (error instanceof ProxyRefusal) return ofProxy(error, context, proxy);
  const code = codeOf(error);
  const { address, settings } = context;
  if (NAME_UNKNOWN.has(code)) {
    return new ProviderError(
      "setup",
      `${address} cannot be found (${code}). Check ${settings.address}${proxy === undefined ? "" : `, the proxy of ${proxy}`}, and the name server.`,
    );
  }
  if (UNTRUSTED.test(code)) {
    return new ProviderError(
      "setup",
      `${address} could not be trusted (TLS: ${code}). Check ${settings.address}; name a private certificate authority in EMBED_CA_FILE.`,
    );
  }
  if (code === "UND_ERR_INVALID_ARG") {
    return new ProviderError("setup", `${address} cannot be asked (${code}). Check the key and the headers.`);
  }
  return new ProviderError(
    "unavailable",
    `${address} gave no whole answer (${code}${proxy === undefined ? "" : `; ${proxy} is set, so the proxy may be why`}). ${whatFollows(context)}`,
  );
}

/** A proxy whose refusal waits for a person, unless it asks for a moment. */
const ofPerson = (status: number): boolean =>
  status >= 300 && status < 500 && status !== 408 && status !== 429;

function ofProxy({ status }: ProxyRefusal, context: ErrorContext, proxy = "HTTPS_PROXY"): ProviderError {
  const { address } = context;
  if (status === 407) {
    return new ProviderError(
      "setup",
      `${address} was not asked: the proxy of ${proxy} wants another user or password (407). Check them in ${proxy}.`,
    );
  }
  if (status !== undefined && ofPerson(status)) {
    return new ProviderError(
      "setup",
      `${address} was not asked: the proxy of ${proxy} refuses to connect to it (${status}). Have the proxy allow it, or name its host in NO_PROXY.`,
    );
  }
  const what = status === undefined ? "hung up" : `answered ${status}`;
  return new ProviderError(
    "unavailable",
    `${address} was not asked: the proxy of ${proxy} ${what}. ${whatFollows(context)}`,
  );
}

/** undici's own refusals, which its codes do not explain. */
const REFUSALS: ReadonlyMap<string, string> = new Map([
  ["Headers Overflow Error", `its headers are longer than ${LONGEST_HEADERS / 1024} kB`],
  ["bad response", "it sent 100 Continue, which was not asked for"],
]);

/** The innermost code: a failed connection to several addresses wraps an error for each. */
function codeOf(error: unknown): string {
  for (let at = error; at instanceof Error;) {
    if ("code" in at && typeof at.code === "string") {
      const refusal = REFUSALS.get(at.message);
      return refusal === undefined ? at.code : `${at.code}: ${refusal}`;
    }
    at = at instanceof AggregateError ? at.errors[0] : at.cause;
  }
  return "connection lost";
}
