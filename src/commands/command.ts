import { parseArgs, type ParseArgsConfig } from "node:util";
import { UsageError } from "../errors.ts";
import { nearestName } from "../nearest-name.ts";

export interface Option {
  readonly type: "string" | "boolean";
  readonly multiple?: boolean;
  readonly default?: string | boolean;
  /** What stands for its value in the help, such as NAME. */
  readonly value?: string;
  /** What it does, in one line of the help. */
  readonly about: string;
}

/** The option `json` of a command. */
export const JSON_OPTION = {
  type: "boolean",
  default: false,
  about: "prints one JSON document, and nothing else on stdout",
} as const satisfies Option;

export type Options = Readonly<Record<string, Option>>;

export interface Command {
  /** How it is called: its `invocation`, with all options. */
  readonly usage: string;
  /** What the command does, in one line. */
  readonly summary: string;
  /** In the order of the help. */
  readonly options: Options;
  /** Calls, and what each does. */
  readonly examples: readonly (readonly [call: string, what: string])[];
  /** @returns the exit code: 0 done, 1 failed. @throws {UsageError} for 2. */
  readonly run: (args: readonly string[]) => Promise<number>;
}

/** `parseArgs`, with its errors as usage errors. */
export function parseCommand<const T extends ParseArgsConfig>(
  command: Pick<Command, "usage">,
  args: readonly string[],
  config: T,
): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs({ ...config, args: [...args] }) as ReturnType<typeof parseArgs<T>>;
  } catch (error) {
    throw new UsageError(problemIn(error, Object.keys(config.options ?? {})), `Usage: ${command.usage}`);
  }
}

function problemIn(error: unknown, options: readonly string[]): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const [, dashes = "", name = ""] = /'(--?)([^']+)'/.exec(message) ?? [];
  if (code !== "ERR_PARSE_ARGS_UNKNOWN_OPTION" || name === "") return message;
  const nearest = nearestName(name, options);
  return `There is no option ${dashes}${name}.${nearest === undefined ? "" : ` Did you mean --${nearest}?`}`;
}

/** The largest `integer` of Postgres. */
const LARGEST = 2_147_483_647;

/** The whole number given to an option. @throws {UsageError} */
export function wholeNumber(option: string, value: string, min = 1, max = LARGEST): number {
  if (!/^\d+$/.test(value) || Number(value) < min || Number(value) > max) {
    throw new UsageError(
      `${option} takes a whole number from ${min} to ${max}, got ${JSON.stringify(value)}.`,
      `Such as: ${option} ${Math.max(min, 10)}`,
    );
  }
  return Number(value);
}

/** The value given to an option that takes one of a list; undefined if none was given. @throws {UsageError} */
export function oneOf<const T extends string>(
  option: string,
  value: string | undefined,
  values: readonly T[],
): T | undefined {
  if (value === undefined) return undefined;
  const found = values.find((known) => known === value);
  if (found === undefined) {
    throw new UsageError(
      `${option} takes one of ${values.join(", ")}, got ${JSON.stringify(value)}.`,
      `Such as: ${option} ${values[0] ?? ""}`,
    );
  }
  return found;
}
