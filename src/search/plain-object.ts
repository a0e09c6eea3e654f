/** A plain object; a date or a buffer is a value. */
export function isPlainObject(wanted: unknown): wanted is object {
  return (
    typeof wanted === "object" &&
    wanted !== null &&
    [Object.prototype, null].includes(Object.getPrototypeOf(wanted) as object | null)
  );
}
