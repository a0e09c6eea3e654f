import { closest, distance } from "fastest-levenshtein";

/** Names that other programs have too. */
const PREFIXES = /^(EMBED|OPENAI_|OLLAMA_|RERANK_)/;
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
  for (const name of names) {
    if (!PREFIXES.test(name) || known.includes(name)) continue;
    const meant = nearest(name, known);
    if (meant !== undefined) {
      (OURS.test(name) ? problems : warnings).push(`${name}: no such setting; did you mean ${meant}?`);
    } else if (OURS.test(name)) {
      warnings.push(`${name}: no such setting of pg-autoembed; it is ignored`);
    }
  }
  return { problems, warnings };
}

/** The setting that was probably meant: a few letters are wrong, or the last word is longer or shorter. */
function nearest(name: string, known: readonly string[]): string | undefined {
  const swapped = name.startsWith("EMBEDDING_")
    ? name.replace("EMBEDDING_", "EMBED_")
    : name.replace(/^EMBED_/, "EMBEDDING_");
  if (known.includes(swapped)) return swapped;
  const longer = known.find(
    (setting) => name.startsWith(setting) && /^[A-Z]+$/.test(name.slice(setting.length)),
  );
  if (longer !== undefined) return longer;
  const candidate = closest(name, [...known]);
  return distance(name, candidate) <= MOST_ERRORS ? candidate : undefined;
}
