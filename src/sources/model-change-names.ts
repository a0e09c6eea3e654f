const NEXT = "@next";
const PREVIOUS = "@previous";

/** The name of the source that follows the same text with the next model, until the model is switched. */
export const nextOf = (name: string): string => `${name}${NEXT}`;
export const previousOf = (name: string): string => `${name}${PREVIOUS}`;

/** The name of the live source of a model change; undefined where a name is of no other source's. */
export function liveOf(name: string): string | undefined {
  const end = [NEXT, PREVIOUS].find((end) => name.endsWith(end) && name !== end);
  return end === undefined ? undefined : name.slice(0, -end.length);
}

export function isNext(name: string): boolean {
  return name.endsWith(NEXT);
}

/** Whether a source is the second one of a model change. @param names those of all sources */
export function isSecond(name: string, names: readonly string[]): boolean {
  const live = liveOf(name);
  return live !== undefined && names.includes(live);
}
