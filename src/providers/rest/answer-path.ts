/**
 * Where something stands in an answer: names with dots between, and `[]` for each item of a list, such as
 * `data[].embedding` or `embeddings.float`. A path that begins with `[]` is of an answer that is a list itself.
 */
export const ANSWER_PATH = /^(?:[\w$-]+(?:\[\])?|\[\])(?:\.[\w$-]+(?:\[\])?)*$/;

/** What a path leads to: a list where it has `[]`; undefined where any part of it is missing. */
export function follow(path: string, answer: unknown): unknown {
  const steps = path.split(".").flatMap((part) => part.split(/(?=\[\])/));
  return step(steps, answer);
}

function step([name, ...rest]: readonly string[], value: unknown): unknown {
  if (name === undefined) return value;
  if (name === "[]") {
    if (!Array.isArray(value)) return undefined;
    const found = value.map((item) => step(rest, item));
    return found.includes(undefined) ? undefined : found;
  }
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return step(rest, (value as Readonly<Record<string, unknown>>)[name]);
}
