import { SetupError, UsageError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { nearestName } from "../nearest-name.ts";
import type { Tool } from "./found.ts";

/**
 * The one that was named, or the only one.
 * @param what such as `vectorizer of pgai`
 * @throws {SetupError} if there is none; {UsageError} if it has to be named, or the name is wrong
 */
export function chooseOne<T extends { readonly name: string }>(
  all: readonly T[],
  name: string | undefined,
  tool: Tool,
  what: string,
): T {
  const [first, ...others] = all;
  if (first === undefined) {
    throw new SetupError(
      `This database has no ${what}.`,
      `Vectors that a script of yours has made: ${invocation("adopt", "column --table TABLE --text COLUMN --vector COLUMN")}`,
    );
  }
  const names = all.map((one) => one.name);
  if (name === undefined) {
    if (others.length === 0) return first;
    throw new UsageError(
      `This database has ${all.length} of these: ${names.join(", ")}.`,
      `Name one: ${invocation("adopt", [tool, first.name])}`,
    );
  }
  const found = all.find((one) => one.name === name);
  if (found !== undefined) return found;
  const nearest = nearestName(name, names);
  throw new UsageError(
    `There is no ${what} called ${name}.`,
    nearest === undefined ? `There is: ${names.join(", ")}` : `Did you mean ${nearest}?`,
  );
}
