import { parseArgs, type ParseArgsConfig } from "node:util";
import { UsageError } from "../errors.ts";

export interface Command {
  /** How it is called, after `npm run name --`. */
  readonly usage: string;
  /** What it does, in one line. */
  readonly summary: string;
  /** @returns the exit code: 0 done, 1 failed. @throws {UsageError} for 2. */
  readonly run: (args: readonly string[]) => Promise<number>;
}

/** `parseArgs`, with its complaints as usage errors. */
export function parseCommand<const T extends ParseArgsConfig>(
  command: Pick<Command, "usage">,
  args: readonly string[],
  config: T,
): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs({ ...config, args: [...args] }) as ReturnType<typeof parseArgs<T>>;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), `Usage: ${command.usage}`);
  }
}

/** A whole number given to an option. @throws {UsageError} */
export function wholeNumber(option: string, value: string, min = 1): number {
  if (!/^\d+$/.test(value) || Number(value) < min) {
    throw new UsageError(
      `${option} takes a whole number from ${min}, got ${JSON.stringify(value)}.`,
      `Such as: ${option} ${Math.max(min, 10)}`,
    );
  }
  return Number(value);
}
