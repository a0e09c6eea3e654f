/** A question as it is typed, taken apart. */
export interface ParsedQuestion {
  /** What is asked for, without the signs: what is embedded, and whose words are looked for. */
  readonly asked: string;
  /** Only what every row must have, and must not have, in the syntax of `websearch_to_tsquery`; empty where there is nothing. */
  readonly required: string;
}

/** A quote that is not closed is no sign. */
const PARTS = /(?<!\S)(?<not>-?)"(?<phrase>[^"]*)"|(?<word>\S+)/g;

/**
 * Any word of a question may be in a text; words that are together in `"quotes"` must be there together, and a `-word` or
 * `-"several words"` must not.
 */
export function parseQuestion(question: string): ParsedQuestion {
  const asked: string[] = [];
  const required: string[] = [];
  for (const { groups = {} } of question.matchAll(PARTS)) {
    const { not = "", phrase, word = "" } = groups;
    if (phrase?.trim() === "") continue;
    const isExcluded = phrase === undefined ? /^-[^-\s]/.test(word) : not === "-";
    if (isExcluded) required.push(phrase === undefined ? word.replaceAll('"', "") : `-"${phrase}"`);
    else asked.push(phrase ?? word);
    if (!isExcluded && phrase !== undefined) required.push(`"${phrase}"`);
  }
  return { asked: asked.join(" ").replaceAll(/\s+/g, " ").trim(), required: required.join(" ") };
}
