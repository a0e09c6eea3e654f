import { KEPT_WORDS } from "./message-words.ts";
import { isKnown, isWritten, partsOf, WORDS } from "./written.ts";

const LONGEST = 300;
const WINDOW = 6;
const REMOVED = "…";
/** A text as the numbers of its bytes or characters has more. */
const MOST_NUMBERS = 6;
const MOST_NUMBERS_IN_A_ROW = 2;
/** A shorter word is often a word backwards, or stands in a key, by accident. */
const SHORTEST_OF_OTHERS = 4;

/**
 * A provider's message without secrets and without the texts that it may repeat, at most 300 characters of it. Removed is
 * every word that also stands in a text, forwards or backwards, apart from the ordinary words of such messages; every word
 * that shares six letters in a row with a text (scripts without spaces, cut words); and all that is not written as words
 * and single numbers are: escapes, base64, hex, bytes, or another code. Where a message has such a code, or nobody can tell
 * what a text would look like in Latin letters, only words stay that are known from providers' messages. Where less than
 * half of the words would stay, none does: then the status and the code say what there is to say.
 * @param texts all that were sent; with none, they are not known, and only known words stay
 */
export function scrub(message: string, texts: readonly string[], secrets: readonly string[]): string {
  const clean = spelled(withoutSecrets(message, secrets)).slice(0, LONGEST);
  const sent = searchable(texts);
  const hidden = searchable(secrets);
  const tokens = clean.match(/\s+|[^\s…]+|…/g) ?? [];
  const isInNumbers = hasTooManyNumbers(clean);
  const isCode = (token: string): boolean =>
    !/^[\s…]/.test(token) &&
    (!isWritten(token) ||
      (texts.length === 0 && PERSONAL_NUMBER.test(token)) ||
      (isInNumbers && /\p{N}/u.test(token)));
  const onlyKnown = texts.length === 0 || NOT_LATIN.test(sent) || tokens.some(isCode);
  const count = { kept: 0, removed: 0 };
  const judge = (word: string): string => {
    const stays = mayStay(word, { sent, hidden, onlyKnown });
    count[stays ? "kept" : "removed"]++;
    return stays ? word : REMOVED;
  };
  const scrubbed = tokens.map((token) => {
    if (!isCode(token)) return token.replace(WORDS, judge);
    count.removed++;
    return REMOVED;
  });
  if (count.removed > count.kept) return "";
  // Punctuation between removed words means nothing any more.
  return scrubbed
    .join("")
    .replace(/…(?:[^\p{L}\p{N}]*…)+/gu, REMOVED)
    .replace(/\s+/g, " ")
    .trim();
}

/** A number of five digits and more, or of three parts, may be a person's or a date, where no text tells. */
const PERSONAL_NUMBER = /\d{5}|\d\D+\d+\D+\d/;
const NOT_LATIN = /(?!\p{Script=Latin})\p{L}/u;
/** Of a key, as much as a service may show. */
const SHOWN = 7;

function withoutSecrets(message: string, secrets: readonly string[]): string {
  let clean = message;
  for (const secret of secrets) {
    if (secret === "") continue;
    // It may have been cut.
    const start = secret.slice(0, Math.min(secret.length, SHOWN + 1)).replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
    clean = clean.replace(new RegExp(`${start}[^\\s"']*`, "g"), REMOVED);
  }
  return clean.replace(/\b(sk|pk|key|bearer)[-_ ][\w*.-]{6,}/gi, REMOVED);
}

/** Quotes and line ends within a quoted message. */
function spelled(message: string): string {
  return message
    .replace(/\\+u00(?:22|27)|\\+["'/]|&(?:quot|apos|#0?39|#x27);/gi, "'")
    .replace(/\\+[nrt]|&nbsp;/g, " ");
}

function hasTooManyNumbers(message: string): boolean {
  const rows = message.match(/\d+(?:[^\p{L}\d]+\d+)*/gu) ?? [];
  const counts = rows.map((row) => row.match(/\d+(?:\.\d+)*/g)?.length ?? 0);
  const sum = counts.reduce((total, count) => total + count, 0);
  return sum > MOST_NUMBERS || counts.some((count) => count > MOST_NUMBERS_IN_A_ROW);
}

/** Case, accents and the width of characters make no difference. */
function fold(text: string): string {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toUpperCase().toLowerCase();
}

/** Also without what stands between the words. */
function searchable(texts: readonly string[]): string {
  const plain = fold(texts.join("\n"));
  return `${plain}\n${plain.replace(/[^\p{L}\p{N}]/gu, "")}`;
}

interface Judged {
  readonly sent: string;
  readonly hidden: string;
  readonly onlyKnown: boolean;
}

function mayStay(word: string, { sent, hidden, onlyKnown }: Judged): boolean {
  const plain = fold(word);
  if (KEPT_WORDS.has(plain)) return true;
  if (onlyKnown && !isKnown(word)) return false;
  const pieces = [plain, ...partsOf(word).map(fold)].filter((piece) => !KEPT_WORDS.has(piece));
  const long = pieces.filter(({ length }) => length >= SHORTEST_OF_OTHERS);
  const backwards = long.map((piece) => Array.from(piece).toReversed().join(""));
  return (
    ![...pieces, ...backwards].some((piece) => isIn(sent, piece)) &&
    !long.some((piece) => isIn(hidden, piece))
  );
}

/** Whole, or six letters of it in a row. */
function isIn(sent: string, word: string): boolean {
  if (sent.includes(word)) return true;
  for (let i = 0; i + WINDOW <= word.length; i++) {
    if (sent.includes(word.slice(i, i + WINDOW))) return true;
  }
  return false;
}
