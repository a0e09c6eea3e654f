import { decoded, unescaped } from "./decodings.ts";

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
 * is every word that also stands in a text, apart from the ordinary words of such messages; every word that shares six
 * letters in a row with a text (scripts without spaces, cut words); and what is written in escapes, base64 or another
 * code, unless it can be read and is in no text. Where less than half of the words would stay, none does: then the status
 * and the code say what there is to say.
 */
export function scrub(message: string, texts: readonly string[], secrets: readonly string[]): string {
  let clean = message;
  for (const secret of secrets) if (secret !== "") clean = withoutSecret(clean, secret);
  clean = clean
    .replace(/\b(sk|pk|key|bearer)[-_ ][\w*.-]{6,}/gi, REMOVED)
    .replace(NUMBERS, REMOVED)
    .slice(0, LONGEST);
  const sent = fold(texts.join("\n"));
  const isForeign = /[^\0-\x7f]/.test(sent);
  const count = { kept: 0, removed: 0 };
  const judge = (word: string): string => {
    const stays = mayStay(fold(word), sent);
    count[stays ? "kept" : "removed"]++;
    return stays ? word : REMOVED;
  };
  const scrubbed = clean.replace(/[^\s…]+/g, (token) => {
    if (mayHide(token, sent, isForeign)) {
      count.removed++;
      return REMOVED;
    }
    return token.replace(WORDS, judge);
  });
  if (count.removed > count.kept) return "";
  // Punctuation between removed words means nothing any more.
  return scrubbed
    .replace(/…(?:[^\p{L}\p{N}]*…)+/gu, REMOVED)
    .replace(/\s+/g, " ")
    .trim();
}

/** Bytes, or the numbers of tokens: a text as numbers. */
const NUMBERS = /(?:\b(?:\d{1,6}|[0-9a-f]{2})\b[\s,;:[\]]*){6,}/gi;
/** Of a key, as much as a service may show. */
const SHOWN = 7;

/** A key may have been cut. */
function withoutSecret(message: string, secret: string): string {
  const start = secret.slice(0, Math.min(secret.length, SHOWN + 1)).replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  return message.replace(new RegExp(`${start}[^\\s"']*`, "g"), REMOVED);
}

const WORDS = /[\p{L}\p{N}\p{M}]+/gu;

/** Case, accents and the width of characters make no difference. */
function fold(text: string): string {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toUpperCase().toLowerCase();
}

/** Whether a piece of a message may be a piece of a text in another form. */
function mayHide(token: string, sent: string, isForeign: boolean): boolean {
  // Bytes of UTF-8 that were taken for Latin-1, and scripts that are not the message's own.
  const isOdd = /[^\0-\x7f\p{P}\p{L}]/u.test(token) || (isForeign && /[\u0080-\u024f]/.test(token));
  const isShown = (word: string): boolean => mayStay(fold(word), sent);
  return (
    isOdd ||
    unescaped(token).some((plain) => plain === undefined || !wordsOf(plain).every(isShown)) ||
    decoded(token).some((plain) => !wordsOf(plain).filter(isNoAccident).every(isShown))
  );
}

function wordsOf(text: string): string[] {
  return text.match(WORDS) ?? [];
}

/** An ordinary word that is taken for base64 gives a letter or two. */
function isNoAccident(word: string): boolean {
  return Buffer.byteLength(word) >= 4;
}

function mayStay(word: string, sent: string): boolean {
  if (KEPT.has(word)) return true;
  if (sent.includes(word)) return false;
  for (let i = 0; i + WINDOW <= word.length; i++) {
    if (sent.includes(word.slice(i, i + WINDOW))) return false;
  }
  return true;
}
