/** The ways of writing a character by its number, and the base of that number. */
const ESCAPES: readonly (readonly [pattern: RegExp, base: number])[] = [
  [/\\u([0-9a-f]{4})/gi, 16],
  [/\\u\{([0-9a-f]{1,6})\}/gi, 16],
  [/\\x([0-9a-f]{2})/gi, 16],
  [/%([0-9a-f]{2})/gi, 16],
  [/=([0-9a-f]{2})/gi, 16],
  [/&#x([0-9a-f]{1,6});/gi, 16],
  [/&#(\d{1,7});/g, 10],
  [/\\([0-7]{3})/g, 8],
];
/** An escape within an escaped text, within an escaped text. */
const ROUNDS = 4;
/** Shorter pieces of the alphabets of base64 and hex are ordinary words and numbers. */
const SHORTEST_CODE = 8;

/**
 * What a piece of a message stands for with its escapes undone: `\u`, `\x`, octal, percent, quoted-printable, entities.
 * Nothing where it has none; undefined for one that cannot be undone.
 */
export function unescaped(token: string): (string | undefined)[] {
  if (!/\\|%[0-9a-f]{2}|=[0-9a-f]{2}|&#?\w+;/i.test(token)) return [];
  let plain = token;
  for (let round = 0; round < ROUNDS; round++) {
    const next = undo(plain);
    if (next === plain) break;
    plain = next;
  }
  // An escape of another kind, or one that was cut.
  if (/\\|%[0-9a-f]{0,2}$|&#?\w*;?$/i.test(plain)) return [undefined];
  // The numbers may have been those of bytes.
  return [plain, Buffer.from(plain, "latin1").toString()];
}

function undo(text: string): string {
  // A backslash that is itself escaped.
  let plain = text.replace(/\\+(?=[ux0-7])/gi, "\\");
  for (const [pattern, base] of ESCAPES) {
    plain = plain.replace(pattern, (_all, digits: string) => characterOf(parseInt(digits, base)));
  }
  return plain.replace(/&[a-z]+;/gi, " ").replace(/\\+["'/bfnrt]/g, " ");
}

function characterOf(code: number): string {
  return code <= 0x10_ff_ff ? String.fromCodePoint(code) : " ";
}

/** What a piece of a message would be as base64 or hex, from each place at which it may have been cut. */
export function decoded(token: string): string[] {
  return (token.match(/[A-Za-z0-9+/_=-]+/g) ?? []).flatMap((piece) => {
    if (piece.length < SHORTEST_CODE) return [];
    const base64 = [0, 1, 2, 3].map((cut) => Buffer.from(piece.slice(cut), "base64"));
    const hex = [0, 1].map((cut) => Buffer.from(piece.slice(cut), "hex"));
    return [...base64, ...hex].flatMap((bytes) => [bytes.toString(), bytes.toString("utf16le")]);
  });
}
