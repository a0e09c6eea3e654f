/** Words that a provider's error may need even when a text happens to contain them too. */
const KEPT = new Set(
  (
    "a an and any are array as at be by can characters context could exceed exceeded exceeds expected field for from " +
    "had has have however in input inputs invalid is it its key large length limit long longer max maximum message " +
    "model must no not number of on only or parameter per please property prompt provided reduce request requested " +
    "resulted s server should size string supported t than that the their this to token tokens too try unsupported use " +
    "value was with you your"
  ).split(" "),
);

const LONGEST = 300;
const WINDOW = 6;
const GONE = "…";

/**
 * A provider's message without the texts that it may echo and without secrets, at most 300 characters of it.
 * Every word that also stands in a text goes, but for the ordinary words of such messages; so does a run of letters
 * that shares six in a row with a text (scripts without spaces, cut words).
 */
export function scrub(message: string, texts: readonly string[], secrets: readonly string[]): string {
  let clean = message;
  for (const secret of secrets) if (secret !== "") clean = clean.replaceAll(secret, GONE);
  clean = clean.replace(/\b(sk|pk|key|bearer)[-_ ][\w*.-]{6,}/gi, GONE).slice(0, LONGEST);
  const said = texts.join("\n").toLowerCase();
  clean = clean.replace(/[\p{L}\p{N}\p{M}]+/gu, (word) => (mayStand(word.toLowerCase(), said) ? word : GONE));
  // Without its words, what is between them tells nothing any more.
  return clean
    .replace(/…(?:[^\p{L}\p{N}]*…)+/gu, GONE)
    .replace(/\s+/g, " ")
    .trim();
}

function mayStand(word: string, said: string): boolean {
  if (KEPT.has(word)) return true;
  if (said.includes(word)) return false;
  for (let i = 0; i + WINDOW <= word.length; i++) {
    if (said.includes(word.slice(i, i + WINDOW))) return false;
  }
  return true;
}
