/** A plain object; a date or a buffer is a value. */
export function isPlainObject(wanted: unknown): wanted is object {
  return (
    typeof wanted === "object" &&
    wanted !== null &&
    [Object.prototype, null].includes(Object.getPrototypeOf(wanted) as object | null)
  );
}

/** It has what `Object.entries` leaves out: a symbol, such as another library's operator, or a property that is not enumerable. */
export function hasHidden(value: object): boolean {
  return Reflect.ownKeys(value).length > Object.keys(value).length;
}
