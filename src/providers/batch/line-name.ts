/** What a line is called: its number alone. */
export function lineName(line: number): string {
  return `line-${line}`;
}

/** The number of a line by its name; undefined for another name. */
export function lineNumber(name: unknown): number | undefined {
  const [, digits] = /^line-(\d{1,9})$/.exec(typeof name === "string" ? name : "") ?? [];
  return digits === undefined ? undefined : Number(digits);
}

/** A broken line is one that is not there. */
export function parsedLine(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
