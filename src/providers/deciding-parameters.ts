import type { Fields } from "./roles/role.ts";

/** A word of a name that says it is a secret, or a signature; and, at its end, a key that lets in, and a token. */
const SECRET =
  /(^|-)(auth|authorization|credentials?|passphrase|passw(or)?d|pwd|secret|sig|signature)(-|$)|(^|-)token$/;
const SECRET_KEY = /^key$|(^|-)(access|account|api|app|client|private|secret|shared|subscription)-?key$/;

/** The whole name: a version of the service, a code that lets in, and what goes with a signature of Amazon's or Google's. */
const DECIDES_NOTHING =
  /^(api-?version|code|x-(amz|goog)-(algorithm|credential|date|expires|security-token|signature|signed-?headers))$/;

/** What goes with the signature `sig` of Azure: when it begins and ends, what it allows, its version. */
const SIGNED = /^(se|si|sip|sp|spr|sr|srt|ss|st|sv)$/;

/**
 * Parameters of an address, such as a gateway's `?deployment=b`, as a field of a backend's shape; none where there are none. A service's
 * version and a secret decide no vector, and a secret that is renewed must not make every vector outdated.
 */
export function decidingParameters(url: URL): Fields {
  const isSigned = url.searchParams.has("sig");
  const pairs = [...url.searchParams].filter(([name]) => {
    const words = inWords(name);
    const decidesNothing = [SECRET, SECRET_KEY, DECIDES_NOTHING].some((kind) => kind.test(words));
    return !decidesNothing && !(isSigned && SIGNED.test(words));
  });
  return pairs.length === 0 ? {} : { "?": pairs.toSorted(([a], [b]) => (a < b ? -1 : Number(a > b))) };
}

/** `accessToken`, `access_token` and `access.token` as `access-token`. */
function inWords(name: string): string {
  return name
    .replaceAll(/(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g, "-")
    .replaceAll(/[-_.]+/g, "-")
    .toLowerCase();
}
