/**
 * Arrays of a batch as Postgres reads them. pg's own writer puts a text together element by element, which left 1.4 kB
 * of garbage a row: a quarter of all that a backfill leaves.
 */

/** For `$n::bigint[]` or `$n::int[]`: numbers, or bigints as text. */
export function numbersParameter(numbers: readonly (number | string)[]): string {
  return `{${numbers.join()}}`;
}

/** For `$n::tid[]`: ctids as Postgres writes them, such as `(3,14)`. */
export function ctidsParameter(ctids: readonly string[]): string {
  return ctids.length === 0 ? "{}" : `{"${ctids.join('","')}"}`;
}

/** For `$n::bytea[]`: each element in hex. */
export function bytesParameter(hexes: readonly string[]): string {
  return hexes.length === 0 ? "{}" : `{\\\\x${hexes.join(",\\\\x")}}`;
}
