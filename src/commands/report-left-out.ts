import type { BrokenSource } from "../sources/source.ts";

/** Names the sources that nothing could be done for, and what to do. @returns 1 if there are any, else 0: an exit code */
export function reportLeftOut(broken: readonly BrokenSource[]): 0 | 1 {
  for (const { name, problem } of broken) console.error(`${name} is left out: ${problem}`);
  return broken.length > 0 ? 1 : 0;
}
