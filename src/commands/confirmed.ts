import { Interrupted, UsageError } from "../errors.ts";
import { ask } from "./ask.ts";

/**
 * Whether the user at the terminal types `expected` when asked. Ctrl-C and Ctrl-D are no answer.
 * @throws {UsageError} if there is no terminal to ask at
 */
export async function confirmed(question: string, expected: string): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new UsageError(
      "Nothing was removed: there is no terminal to ask for a confirmation at.",
      "See what it would do with --dry-run, then give --yes.",
    );
  }
  try {
    // On stderr, as all that is not the command's result.
    return (await ask(question, { output: process.stderr })) === expected;
  } catch (error) {
    if (error instanceof Interrupted) return false;
    throw error;
  }
}
