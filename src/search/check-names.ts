import { UsageError } from "../errors.ts";
import { nearestName } from "../nearest-name.ts";

/**
 * Of a caller without types: a filter under another name than `where` would be missed in silence, and find the rows of all.
 * @param what the object in words
 * @throws {UsageError} if it is no object, or has a property of another name
 */
export function checkNames(what: string, given: unknown, known: readonly string[]): void {
  if (typeof given !== "object" || given === null)
    throw new UsageError(`${what} must be an object.`, `Its properties: ${known.join(", ")}.`);
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const meant = nearestName(unknown, known);
  throw new UsageError(
    `${what} has no property ${JSON.stringify(unknown)}${meant === undefined ? "." : `; did you mean ${meant}?`}`,
    `There are: ${known.join(", ")}.`,
  );
}
