const NEXT = "@next";

/** The name of the source that follows the same text with the next model, until the model is switched. */
export const nextOf = (name: string): string => `${name}${NEXT}`;
export const previousOf = (name: string): string => `${name}@previous`;

export function isNext(name: string): boolean {
  return name.endsWith(NEXT);
}
