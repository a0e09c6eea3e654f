import { isDatabaseError } from "./database-fault.ts";
import { UNTRANSLATABLE_CHARACTER } from "../sqlstate.ts";

/** A character that the database's encoding does not have. */

const CONTROLS_AND_HALVES = /[\p{Cc}\p{Cs}]/gu;

/** A text from outside without what Postgres takes into no text (NUL, half a surrogate pair) and what terminals obey. */
function storable(text: string): string {
  return text.replace(CONTROLS_AND_HALVES, " ");
}

/** JSON whose texts can be stored. */
export function storableJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => (typeof part === "string" ? storable(part) : part));
}

/**
 * Writes a text that comes from outside, such as a provider's reason. Where the database's encoding has not all of its
 * characters, it is written again in ASCII: a row that could not be marked as failed would be sent, and paid for, for ever.
 */
export async function storing<T>(text: string, write: (text: string) => Promise<T>): Promise<T> {
  const clean = storable(text);
  try {
    return await write(clean);
  } catch (error) {
    if (!isUntranslatable(error)) throw error;
    return await write(clean.replaceAll("…", "...").replace(/[^ -~]/g, "?"));
  }
}

/** So many characters are left out one by one; of words with more, all that are not ASCII. */
const MOST_LEFT_OUT = 20;

/**
 * Asks for words. Those that the database's encoding cannot write are in none of its texts: the characters that it refuses
 * are left out.
 * @param ask not in a transaction, which the first refusal would end
 */
export async function askingFor<T>(words: string, ask: (words: string) => Promise<T>): Promise<T> {
  for (let left = 0; left < MOST_LEFT_OUT; left++) {
    try {
      return await ask(words);
    } catch (error) {
      const refused = refusedCharacter(error);
      if (refused === undefined) throw error;
      if (refused === "" || !words.includes(refused)) break;
      words = words.replaceAll(refused, " ");
    }
  }
  return await ask(words.replace(/[^\0-~]/gu, " "));
}

/** The character in UTF-8 that an error is about: "character with byte sequence 0xf0 0x9f 0x98 0x80 in encoding …". */
function refusedCharacter(error: unknown): string | undefined {
  if (!isDatabaseError(error) || error.code !== UNTRANSLATABLE_CHARACTER) return undefined;
  const bytes = [...(error.message.match(/\b0x[\da-f]{2}\b/g) ?? [])].map(Number);
  return Buffer.from(bytes).toString("utf8");
}

function isUntranslatable(error: unknown): boolean {
  return isDatabaseError(error) && error.code === UNTRANSLATABLE_CHARACTER;
}
