import { isDatabaseError } from "./database-fault.ts";

/** A character that the database's encoding does not have. */
const UNTRANSLATABLE = "22P05";

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

/**
 * Asks for words. Those that the database's encoding cannot write are in none of its texts: where it refuses them, they are
 * left out, first what no single-byte encoding has.
 */
export async function askingFor<T>(words: string, ask: (words: string) => Promise<T>): Promise<T> {
  for (const beyond of [/[^\0-ÿ]/gu, /[^\0-~]/gu]) {
    try {
      return await ask(words);
    } catch (error) {
      if (!isUntranslatable(error)) throw error;
      words = words.replace(beyond, " ");
    }
  }
  return await ask(words);
}

function isUntranslatable(error: unknown): boolean {
  return isDatabaseError(error) && error.code === UNTRANSLATABLE;
}
