/**
 * A batch's arrays in Postgres's text format. pg's own writer builds the text element by element, which left 1.4 kB of
 * garbage per row: a quarter of a backfill's garbage.
 */

/** For `$n::bigint[]` or `$n::int[]`: numbers, or bigints as text. */
export function numbersParameter(numbers: readonly (number | string)[]): string {
  return `{${numbers.join()}}`;
}

/** For `$n::tid[]`: ctids in Postgres's format, such as `(3,14)`. */
export function ctidsParameter(ctids: readonly (string | null)[]): string {
  return `{${ctids.map((ctid) => (ctid === null ? "null" : `"${ctid}"`)).join()}}`;
}

/** For `$n::bytea[]`: each element in hex. */
export function bytesParameter(hexes: readonly string[]): string {
  return hexes.length === 0 ? "{}" : `{\\\\x${hexes.join(",\\\\x")}}`;
}

/** For `$n::text[]`: any texts, quoted. */
export function textsParameter(texts: readonly string[]): string {
  return `{${texts.map((text) => `"${text.replaceAll(/[\\"]/g, "\\$&")}"`).join()}}`;
}
