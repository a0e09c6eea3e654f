import { ProviderError } from "../provider-error.ts";
import { at } from "../read-vectors.ts";
import { scrub } from "../scrub.ts";

/** What `names` leads to, which must be a text. @throws {ProviderError} where it is none */
export function textAt(value: unknown, path: string, ...names: readonly string[]): string {
  const text = at(value, ...names);
  if (typeof text === "string" && text !== "") return text;
  throw invalidAnswer(path, `no ${names.join(".")}`);
}

/** The same, where it may be missing. */
export function optionalText(value: unknown, ...names: readonly string[]): string | undefined {
  const text = at(value, ...names);
  return typeof text === "string" && text !== "" ? text : undefined;
}

export function invalidAnswer(path: string, what: string): ProviderError {
  const [address = path] = path.split("?", 1);
  return new ProviderError("unavailable", `${address} answered with ${what}: it may be no batch API.`);
}

/** A reason of the provider's: its code alone, in words that are known, since it may quote a line of the file. */
export function reasonOf(code: unknown): string {
  const isCode = typeof code === "string" && /^[\w.:-]{1,64}$/.test(code) && scrub(code, [], []) === code;
  return isCode ? code : "no reason given";
}

/** Statuses of a line that is refused for its text, rather than for the moment. */
export function refusesText(status: number): boolean {
  return status >= 400 && status < 500 && ![401, 402, 403, 404, 408, 409, 429].includes(status);
}
