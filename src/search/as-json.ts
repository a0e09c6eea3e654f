import { hasHidden, isPlainObject } from "./plain-object.ts";

/** Of lists and objects in one another; each level remembers all that it is in. */
const DEEPEST = 100;

/**
 * A value as JSON; undefined if JSON would leave something of it out or turn it into something else: of `{ tenant: undefined }` it
 * leaves `{}`, which every object contains.
 */
export function asJson(value: unknown): string | undefined {
  return isKept(value, new Set()) ? JSON.stringify(value) : undefined;
}

/** @param around the objects and lists that the value is in */
function isKept(value: unknown, around: ReadonlySet<unknown>): boolean {
  if (value === null || typeof value === "string" || typeof value === "boolean") return true;
  // A whole number without a place for each digit may have been another one.
  if (typeof value === "number")
    return Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value));
  if (value instanceof Date) return Number.isFinite(value.getTime());
  const isOfParts = Array.isArray(value) || isPlainObject(value);
  if (!isOfParts || around.size >= DEEPEST || around.has(value)) return false;
  if (!Array.isArray(value) && hasHidden(value)) return false;
  const inside = new Set([...around, value]);
  // Of a list, gaps too.
  const parts: readonly unknown[] = Array.isArray(value) ? Array.from(value) : Object.values(value);
  return parts.every((part) => isKept(part, inside));
}
