import { closest, distance } from "fastest-levenshtein";

/** The known name that was probably meant; undefined if none is close. */
export function nearestName(given: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const longer = known.find((name) => given.startsWith(name) || name.startsWith(given));
  const swapped = known.find((name) => lettersOf(name) === lettersOf(given));
  const nearest = longer ?? swapped ?? closest(given, [...known]);
  return distance(given, nearest) <= given.length / 2 ? nearest : undefined;
}

/** Two letters that changed places are one mistake, not two. */
function lettersOf(name: string): string {
  return Array.from(name).sort().join("");
}
