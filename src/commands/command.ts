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

/** `parseArgs`, whose errors are usage errors. So is an option of one value that is given twice. */
export function parseCommand<const T extends ParseArgsConfig>(
  command: Pick<Command, "usage">,
  args: readonly string[],
  config: T,
): ReturnType<typeof parseArgs<T>> {
  const { options = {} } = config;
  let problem: string;
  try {
    const parsed = parseArgs({ ...(config as ParseArgsConfig), args: [...args], tokens: true });
    const given = parsed.tokens.flatMap((token) => (token.kind === "option" ? [token.name] : []));
    const twice = given.find((name, i) => given.indexOf(name) < i && takesOneValue(options[name]));
    if (twice === undefined) return parsed as unknown as ReturnType<typeof parseArgs<T>>;
    problem = `--${twice} is given more than once, and takes one value.`;
  } catch (error) {
    problem = problemIn(error, Object.keys(options));
  }
  throw new UsageError(problem, `Usage: ${command.usage}`);
}

function takesOneValue(option: NonNullable<ParseArgsConfig["options"]>[string] | undefined): boolean {
  return option?.type === "string" && option.multiple !== true;
}

function problemIn(error: unknown, options: readonly string[]): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const [, dashes = "", name = ""] = /'(--?)([^' ]+)/.exec(message) ?? [];
  const option = `${dashes}${name}`;
  if (code === "ERR_PARSE_ARGS_INVALID_OPTION_VALUE") {
    if (message.includes("does not take")) return `${option} takes no value.`;
    const dashed = message.includes("ambiguous") ? ` One that begins with a dash: ${option}=-1` : "";
    return `${option} takes a value.${dashed}`;
  }
  if (code !== "ERR_PARSE_ARGS_UNKNOWN_OPTION" || name === "") return message;
  const nearest = nearestName(name, options);
  return `There is no option ${option}.${nearest === undefined ? "" : ` Did you mean --${nearest}?`}`;
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
