import { deflateRawSync, gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { classifyAnswer } from "../../src/providers/classify.ts";
import { complaintOf } from "../../src/providers/complaint.ts";
import { reasonOf } from "../../src/providers/batch/read-batch.ts";
import { scrub } from "../../src/providers/scrub.ts";

const KEY = "sk-live-Zq81xv0a77123";
const TEXTS = [
  "Okonkwo Chidera is HIV positive, MRN 77123",
  "Lee has gout",
  "Schizophrénie paranoïde chez Müller",
  "糖尿病患者",
  "Иванов болен сифилисом",
];

const bytesOf = (text: string): number[] => [...Buffer.from(text)];
const hexOf = (number: number, digits = 2): string => number.toString(16).padStart(digits, "0");
const each = (write: (code: number) => string) => (text: string) =>
  Array.from(text, (letter) => write(letter.codePointAt(0) ?? 0)).join("");
const eachByte =
  (write: (byte: number) => string, between = "") =>
  (text: string) =>
    bytesOf(text).map(write).join(between);
const base64 = (text: string): string => Buffer.from(text).toString("base64");
const base32 = (text: string): string => {
  const bits = bytesOf(text)
    .map((byte) => byte.toString(2).padStart(8, "0"))
    .join("");
  return (bits.match(/.{1,5}/g) ?? [])
    .map((five) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[parseInt(five.padEnd(5, "0"), 2)])
    .join("");
};

/** Every form in which a gateway was seen to repeat a text, and some in which none was seen yet. */
const FORMS: Readonly<Record<string, (text: string) => string>> = {
  "as it is": (text) => text,
  "in capitals": (text) => text.toUpperCase(),
  backwards: (text) => Array.from(text).toReversed().join(""),
  "with \\u": each((code) => `\\u${hexOf(code, 4)}`),
  "with \\U": each((code) => `\\U${hexOf(code, 8)}`),
  "with \\u{}": each((code) => `\\u{${hexOf(code)}}`),
  "with \\x": eachByte((byte) => `\\x${hexOf(byte)}`),
  "in octal": eachByte((byte) => `\\${byte.toString(8).padStart(3, "0")}`),
  "with %": eachByte((byte) => `%${hexOf(byte)}`),
  "with %u": each((code) => `%u${hexOf(code, 4)}`),
  "encoded for a URL twice": (text) => encodeURIComponent(encodeURIComponent(text)),
  "as entities": each((code) => `&#${code};`),
  "as entities in hex": each((code) => `&#x${hexOf(code)};`),
  "as entities without their semicolon": each((code) => `&#${code}`),
  "as code points": (text) => each((code) => `U+${hexOf(code, 4)} `)(text),
  "in base64": base64,
  "in base64url": (text) => Buffer.from(text).toString("base64url"),
  "in base64 twice": (text) => base64(base64(text)),
  "in base64 that was cut": (text) => base64(text).slice(3, -3),
  "in base64 over lines": (text) => base64(text).replaceAll(/(.{8})/g, "$1\n"),
  "in base64 over short lines": (text) => base64(text).replaceAll(/(.{4})/g, "$1 "),
  "in base32": base32,
  "in hex": (text) => Buffer.from(text).toString("hex"),
  "in hex with 0x": (text) => `0x${Buffer.from(text).toString("hex")}`,
  "in hex byte by byte": eachByte((byte) => `0x${hexOf(byte)}`, ", "),
  "in hex with colons": eachByte(hexOf, ":"),
  "as bytes": eachByte(String, " "),
  "as bytes in brackets": eachByte((byte) => `(${byte})`),
  "as bytes with dashes": eachByte(String, "-"),
  "as a JSON of bytes": (text) => JSON.stringify(Buffer.from(text)),
  "as numbers of its letters": (text) => each((code) => `${code},`)(text),
  "in binary": eachByte((byte) => byte.toString(2).padStart(8, "0"), " "),
  "packed, in base64": (text) => gzipSync(text).toString("base64"),
  "packed without a header, in base64": (text) => deflateRawSync(text).toString("base64"),
  "packed, in hex": (text) => gzipSync(text).toString("hex"),
  "with spaces between the letters": (text) => Array.from(text).join(" "),
  "with invisible characters": (text) => Array.from(text).join("\u200b"),
  "over lines": (text) => text.replaceAll(/(.{4})/g, "$1\n"),
  "without spaces": (text) => text.replaceAll(/\s/g, ""),
  "cut in the middle": (text) => `${text.slice(0, 6)}...${text.slice(-6)}`,
  "as pieces of words": (text) => (text.match(/.{1,4}/gs) ?? []).join(" ##"),
  "as JSON in JSON": (text) => JSON.stringify(JSON.stringify({ input: text })),
  "as Python writes bytes": (text) =>
    `b'${eachByte((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : `\\x${hexOf(byte)}`))(text)}'`,
  "as Latin-1": (text) => Buffer.from(text).toString("latin1"),
  "in wide letters": (text) =>
    text.replaceAll(/[!-~]/g, (letter) => String.fromCharCode(letter.charCodeAt(0) + 0xfee0)),
};

/** What a message has besides the text, and words that say nothing. */
const HARMLESS =
  /\b(cannot|embed|this|bad|input|given|to|the|model|please|error|message|has|is|have|this|was|a|an|s|t|b)\b/gi;

function remains(message: string): string {
  return message
    .normalize("NFKC")
    .replace(/^.* answered 400/, "")
    .replace("Change the text, and it is embedded again.", "")
    .replaceAll(HARMLESS, "")
    .replaceAll(/[^\p{L}\p{N}]/gu, "");
}

const context = {
  address: "https://api.example.com/v1/embeddings",
  model: "m",
  settings: { address: "OPENAI_BASE_URL", key: "OPENAI_API_KEY", model: "OPENAI_EMBED_MODEL" },
  secrets: [KEY],
};

describe.each(Object.entries(FORMS))("A text or a key that comes back %s", (_form, write) => {
  test.each<[string, (quoted: string) => unknown]>([
    ["a message", (quoted) => ({ error: { message: `cannot embed this: ${quoted} please` } })],
    ["a code", (quoted) => ({ error: { message: "bad input given to the model", code: quoted } })],
    ["a type", (quoted) => ({ error: { message: "bad input given", type: quoted.replaceAll(/\W/g, "-") } })],
  ])("is in no error where it stood in %s", (_place, body) => {
    for (const text of [...TEXTS, ...TEXTS.map((text) => text.split(" ")[0] ?? ""), KEY]) {
      const error = classifyAnswer(400, {}, complaintOf(body(write(text))), TEXTS, context);
      expect(remains(error.message)).toBe("");
    }
  });
});

test.each([
  "This model's maximum context length is 8192 tokens, however you requested 9001 tokens (8990 in your prompt; 11 for the completion).",
  "model 'nomic-embed-text' not found, try pulling it first",
  "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 8192]",
  "Invalid 'input[3]': array too long. Expected an array with maximum length 2048, but got an array with length 4096 instead.",
  "llama runner process has terminated: exit status 2",
  "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
  "boom",
  "das Modell ist überlastet",
])("The message %j stays as it is where it has nothing of a text", (message) => {
  expect(scrub(message, ["the patient coughs"], [KEY])).toBe(message);
});

test("A message with an unreadable number of a request keeps the words that are known from such messages", () => {
  const message =
    "The server had an error while processing your request. Sorry! Request ID 7b2f1c90e, Okonk.";
  const kept = "The server had an error while processing your request. …! Request ID ….";
  expect(scrub(message, ["seen by nobody"], [])).toBe(kept);
});

test("A redirect is named with its server, but not where the name may have a piece of a text in it", () => {
  const message = (location: string): string =>
    classifyAnswer(307, { location }, complaintOf({}), ["Okonkwo has gout"], context).message;
  expect(message("https://api.example.com/v2?text=Okonkwo")).toContain("(https://api.example.com)");
  expect(message("http://10.0.0.7:8080/v2")).toContain("(http://10.0.0.7:8080)");
  expect(message("https://okonkwo.example.com/")).not.toMatch(/okonkwo/i);
  expect(message(`https://${base32("Okonkwo has gout")}.example.com/`)).toMatch(/points to\./);
});

test("A batch's reason is shown where it is words that are known, since its texts are not at hand", () => {
  expect(reasonOf("token_limit_exceeded")).toBe("token_limit_exceeded");
  expect(reasonOf("insufficient_quota")).toBe("insufficient_quota");
  for (const code of ["Okonkwo", "T2tvbmt3bw", "4f6b6f6e", "756.1234.5678.97", "12.03.1957", "471123456"])
    expect(reasonOf(code)).toBe("no reason given");
});
