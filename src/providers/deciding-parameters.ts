import type { Fields } from "./roles/role.ts";

/** A service's version and a secret decide no vector, and a secret that is renewed must not make every vector outdated. */
const DECIDES_NOTHING =
  /^api[-_]?version$|(^|[-_.])(api)?(key|token|secret|sig|signature|password|auth|code)$/i;

/** Parameters of an address, such as a gateway's `?deployment=b`, as a field of a backend's shape; none where there are none. */
export function decidingParameters(url: URL): Fields {
  const pairs = [...url.searchParams].filter(([name]) => !DECIDES_NOTHING.test(name));
  return pairs.length === 0 ? {} : { "?": pairs.toSorted(([a], [b]) => (a < b ? -1 : Number(a > b))) };
}
