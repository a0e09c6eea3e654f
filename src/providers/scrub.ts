/** Words that are kept in a provider's error even where a text contains them too: without them it says nothing. */
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
const REMOVED = "…";

/**
 * A provider's message without secrets and without the texts that it may repeat, at most 300 characters of it. Removed
 * is every word that also stands in a text, apart from the ordinary words of such messages; and every word that shares
 * six letters in a row with a text (scripts without spaces, cut words).
 */
export function scrub(message: string, texts: readonly string[], secrets: readonly string[]): string {
  let clean = message;
  for (const secret of secrets) if (secret !== "") clean = clean.replaceAll(secret, REMOVED);
  clean = clean.replace(/\b(sk|pk|key|bearer)[-_ ][\w*.-]{6,}/gi, REMOVED).slice(0, LONGEST);
  const sent = texts.join("\n").toLowerCase();
  clean = clean.replace(/[\p{L}\p{N}\p{M}]+/gu, (word) =>
    mayStay(word.toLowerCase(), sent) ? word : REMOVED,
  );
  // Punctuation between removed words means nothing any more.
  return clean
    .replace(/…(?:[^\p{L}\p{N}]*…)+/gu, REMOVED)
    .replace(/\s+/g, " ")
    .trim();
}

function mayStay(word: string, sent: string): boolean {
  if (KEPT.has(word)) return true;
  if (sent.includes(word)) return false;
  for (let i = 0; i + WINDOW <= word.length; i++) {
    if (sent.includes(word.slice(i, i + WINDOW))) return false;
  }
  return true;
}
