import { ProviderError } from "../provider-error.ts";

/** What placeholders stand for in one request. */
export interface Filling {
  readonly texts: readonly string[];
  readonly model: string;
  /** What the service calls the role of the texts. */
  readonly role: string;
  /** The value of a variable of the environment. */
  readonly env: (name: string) => string;
}

const PLACEHOLDER = /\{\{(.*?)\}\}/g;
const ENVIRONMENT = /^env:([A-Za-z_]\w*)$/;
const NAMES = ["texts", "text", "model", "role"];

export const KNOWN_PLACEHOLDERS = [...NAMES, "env:NAME"].map((name) => `{{${name}}}`).join(", ");

/** The names of the placeholders in a value of JSON, at any depth, each as often as it stands there. */
export function placeholdersOf(value: unknown): string[] {
  if (typeof value === "string") return [...value.matchAll(PLACEHOLDER)].map(([, name = ""]) => name);
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(placeholdersOf);
}

export function isKnown(placeholder: string): boolean {
  return NAMES.includes(placeholder) || ENVIRONMENT.test(placeholder);
}

/** Whether each text gets an item of its own in a list: `[{"content": "{{text}}"}]`. */
export function repeatsForEachText(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return isRepeated(value) || Object.values(value).some(repeatsForEachText);
}

/** A value of JSON with all placeholders filled in. */
export function fill(value: unknown, filling: Filling): unknown {
  if (value === "{{texts}}") return filling.texts;
  if (typeof value === "string") return fillText(value, filling);
  if (typeof value !== "object" || value === null) return value;
  if (isRepeated(value)) return filling.texts.map((text) => fill(value[0], { ...filling, texts: [text] }));
  if (Array.isArray(value)) return value.map((item) => fill(item, filling));
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, fill(item, filling)]));
}

/** @param encode what is put in place of a placeholder, such as a part of a URL */
export function fillText(
  value: string,
  { texts, model, role, env }: Filling,
  encode: (filled: string) => string = (filled) => filled,
): string {
  return value.replace(PLACEHOLDER, (_all, name: string) => {
    const variable = ENVIRONMENT.exec(name)?.[1];
    if (variable !== undefined) return encode(env(variable));
    if (name === "model") return encode(model);
    return encode(name === "role" ? role : (texts[0] ?? ""));
  });
}

/** @throws {ProviderError} where the variable is not set */
export function variable(name: string, file: string): string {
  const value = process.env[name]?.trim() ?? "";
  if (value !== "") return value;
  throw new ProviderError("setup", `${name} is not set, and ${file} asks for it. Nothing was sent.`);
}

function isRepeated(value: object): value is readonly [unknown] {
  return Array.isArray(value) && value.length === 1 && placeholdersOf(value[0]).includes("text");
}
