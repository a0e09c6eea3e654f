import { closest, distance } from "fastest-levenshtein";

const OURS = /^EMBED/;
/** A name that differs by more characters is another name. */
const MOST_ERRORS = 2;

interface Misspelled {
  /** Of settings that only we have: they are refused, or a typing error would go unnoticed. */
  readonly problems: string[];
  /** Of names that may belong to another program. */
  readonly warnings: string[];
}

/** The names in an environment that look like settings and are none. */
export function misspelledSettings(names: readonly string[], known: readonly string[]): Misspelled {
  const problems: string[] = [];
  const warnings: string[] = [];
  // Names that begin as settings do, and may be those of other programs.
  const beginnings = new Set(known.map(firstWord));
  for (const name of names) {
    if (known.includes(name) || !(OURS.test(name) || beginnings.has(firstWord(name)))) continue;
    const meant = nearest(name, known);
    // Another program's, as DATABASE_URI and DATABASE_SSL are, where what might be meant is given too.
    if (meant !== undefined && !OURS.test(name) && names.includes(meant)) continue;
    if (meant !== undefined) {
      (OURS.test(name) ? problems : warnings).push(`${name}: no such setting; did you mean ${meant}?`);
    } else if (OURS.test(name)) {
      warnings.push(`${name}: no such setting of pg-autoembed; it is ignored`);
    }
  }
  return { problems, warnings };
}

function firstWord(name: string): string {
  return name.split("_", 1)[0] ?? name;
}

/** The setting that was probably meant: a few letters are wrong, or the last word is longer or shorter. */
function nearest(name: string, known: readonly string[]): string | undefined {
  const swapped = name.startsWith("EMBEDDING_")
    ? name.replace("EMBEDDING_", "EMBED_")
    : name.replace(/^EMBED_/, "EMBEDDING_");
  if (known.includes(swapped)) return swapped;
  const abbreviated = known.filter(
    (setting) => isAbbreviation(name, setting) || isAbbreviation(setting, name),
  );
  const begun = abbreviated.find((setting) => setting.startsWith(name) || name.startsWith(setting));
  if (begun !== undefined || abbreviated.length > 0) return begun ?? abbreviated[0];
  const candidate = closest(name, [...known]);
  return distance(name, candidate) <= MOST_ERRORS ? candidate : undefined;
}

/** Whether the last word of one name is that of the other with letters left out: DIM for DIMENSIONS, CMD for COMMAND. */
function isAbbreviation(short: string, long: string): boolean {
  const at = short.lastIndexOf("_") + 1;
  const [word, whole] = [short.slice(at), long.slice(at)];
  const areWords = /^[A-Z]{2,}$/.test(word) && /^[A-Z]+$/.test(whole);
  if (!areWords || word[0] !== whole[0] || !long.startsWith(short.slice(0, at))) return false;
  let found = 0;
  for (const letter of whole) if (letter === word[found]) found += 1;
  return found === word.length;
}
