import { KEPT_WORDS, MESSAGE_WORDS } from "./message-words.ts";

/** With its unit, as in `512`, `2nd`, `8k`, `20ms`, `0.6B`. */
const NUMBER = /^\d{1,9}(?:st|nd|rd|th|ms|s|m|h|d|[kKMB]|[kKMG]i?B)?$/;
/** Such as `v1`, `e5`, `Qwen3`, `gpt4`. */
const NUMBERED = /^(?:[a-z]|[a-z]{2,}|[A-Z][a-z]+)\d{1,2}$/i;
/** Two letters and more of one case, the first of them possibly a capital. */
const PART = /^(?:[A-Z]?[a-z]+|[A-Z]{2,})$/;
const LONGEST_PART = 20;
/** Base64 has capitals in between. */
const SHORTEST_INNER_PART = 3;
const UNPRONOUNCEABLE = /[^aeiouy]{6}|^[^aeiouyAEIOUY]{5,}$/;
/** An escape of a character. */
const ESCAPE = /\\|%u?[0-9a-f]{2}|&#|&\w+;|U\+[0-9a-f]|xn--/i;
/** Bytes of UTF-8 that were taken for another encoding, symbols and pictures. */
const ODD = /[^\0-\x7f\p{P}\p{L}\p{M}]/u;

export const WORDS = /[\p{L}\p{N}\p{M}]+/gu;

/** Whether a piece of a message is written as words and numbers are: all else may be a text in some code. */
export function isWritten(token: string): boolean {
  return !ODD.test(token) && !ESCAPE.test(token) && (token.match(WORDS) ?? []).every(isWord);
}

/** Whether providers' messages have it for sure, as in `InvalidApiKey` and `invalid`. */
export function isKnown(word: string): boolean {
  return NUMBER.test(word) || isListed(word) || partsOf(word).every(isListed);
}

/** `InvalidApiKey` as `Invalid`, `Api`, `Key`. */
export function partsOf(word: string): string[] {
  if (/[^\0-\x7f]/.test(word)) return [word];
  return word.match(/[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^A-Za-z]+/g) ?? [word];
}

function isWord(word: string): boolean {
  if (isKnown(word) || NUMBERED.test(word)) return true;
  if (/[^\0-\x7f]/.test(word)) return !/\p{N}/u.test(word);
  const parts = partsOf(word);
  return parts.every(
    (part, i) => isListed(part) || (isPronounceable(part) && (i === 0 || part.length >= SHORTEST_INNER_PART)),
  );
}

function isPronounceable(part: string): boolean {
  return part.length === 1 || (PART.test(part) && part.length <= LONGEST_PART && !UNPRONOUNCEABLE.test(part));
}

function isListed(word: string): boolean {
  const plain = word.toLowerCase();
  return KEPT_WORDS.has(plain) || MESSAGE_WORDS.has(plain);
}
