/** Postgres cuts longer names. */
const LONGEST_NAME_BYTES = 63;

/** A name within Postgres's limit: `start` is cut so that all of `ending` is there, as Postgres does for names it makes. */
export function identifierOf(start: string, ending: string): string {
  const room = Math.max(0, LONGEST_NAME_BYTES - Buffer.byteLength(ending));
  const cut = Buffer.from(start)
    .subarray(0, room)
    .toString("utf8")
    .replace(/\uFFFD+$/, "");
  return Buffer.from(cut + ending)
    .subarray(0, LONGEST_NAME_BYTES)
    .toString("utf8")
    .replace(/\uFFFD+$/, "");
}
