/** Prints what is said of each source, with an empty line between; nothing at all if every source was left out. */
export function printParts(parts: readonly string[]): void {
  if (parts.length > 0) console.log(parts.join("\n\n"));
}
