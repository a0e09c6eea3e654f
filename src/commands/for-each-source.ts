import { NoConnection, SetupError } from "../errors.ts";
import { ProviderError } from "../providers/provider-error.ts";
import type { Source } from "../sources/source.ts";
import { reportLeftOut } from "./report-left-out.ts";

/**
 * Works on one source after the other. One whose provider is set up wrongly or does not answer is named and left out, so
 * that the others are worked on; where it is the only one, or the user has stopped the command, it is an error.
 * @returns what the work has given, and the exit code for what was left out
 */
export async function forEachSource<Result>(
  sources: readonly Source[],
  { signal, isAlone = sources.length === 1 }: { readonly signal: AbortSignal; readonly isAlone?: boolean },
  work: (source: Source) => Promise<Result>,
): Promise<{ readonly results: readonly Result[]; readonly exitCode: 0 | 1 }> {
  const results: Result[] = [];
  let exitCode: 0 | 1 = 0;
  for (const source of sources) {
    try {
      results.push(await work(source));
    } catch (error) {
      const problem = problemOf(error);
      if (problem === undefined || isAlone || signal.aborted) throw error;
      exitCode = reportLeftOut([{ id: source.id, name: source.name, problem }]);
    }
  }
  return { results, exitCode };
}

/** Undefined of an error that is not about one source. */
function problemOf(error: unknown): string | undefined {
  if (error instanceof ProviderError) return error.message;
  return error instanceof SetupError && !(error instanceof NoConnection)
    ? `${error.message} ${error.remedy}`
    : undefined;
}
