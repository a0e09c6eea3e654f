const NEXT = "@next";
const PREVIOUS = "@previous";

/** The name of the source that follows the same text with the next model, until the model is switched. */
export const nextOf = (name: string): string => `${name}${NEXT}`;
export const previousOf = (name: string): string => `${name}${PREVIOUS}`;

export function isNext(name: string): boolean {
  return name.endsWith(NEXT);
}

/** Whether a source is the second one of a model change. @param names those of all sources */
export function isSecond(name: string, names: readonly string[]): boolean {
  return names.some((live) => name === nextOf(live) || name === previousOf(live));
}
