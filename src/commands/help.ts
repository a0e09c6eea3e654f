import { UsageError } from "../errors.ts";
import { nearestName } from "../nearest-name.ts";
import { COMMANDS } from "./commands.ts";
import type { Command, Option } from "./command.ts";

const ALL = "npx pg-autoembed help";

/** Every command with its usage and a line about it. */
export async function describeCommands(): Promise<string> {
  const commands = await Promise.all(Object.values(COMMANDS).map((load) => load()));
  return [
    ...commands.map(({ usage, summary }) => `  ${usage}\n      ${summary}`),
    "",
    "--help after a command explains its options. --version prints the version.",
  ].join("\n");
}

/** One command with its options and examples. */
export function describeCommand({ usage, summary, options, examples }: Command): string {
  const described = Object.entries(options).map(
    ([name, option]) =>
      [`  --${name}${option.value === undefined ? "" : ` ${option.value}`}`, aboutOf(option)] as const,
  );
  const width = Math.max(0, ...described.map(([option]) => option.length));
  return [
    `Usage: ${usage}`,
    "",
    `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`,
    ...(described.length === 0 ? [] : ["", "Options:"]),
    ...described.map(([option, about]) => `${option.padEnd(width)}  ${about}`),
    "",
    "Examples:",
    ...examples.map(([call, what]) => `  ${call}\n      ${what}`),
  ].join("\n");
}

function aboutOf({ about, default: byDefault, multiple }: Option): string {
  const repeated = multiple === true ? "; may be repeated" : "";
  return typeof byDefault === "string"
    ? `${about}${repeated} (default: ${byDefault})`
    : `${about}${repeated}`;
}

export async function unknownCommand(name: string): Promise<UsageError> {
  const nearest = nearestName(name, Object.keys(COMMANDS));
  const unknown = `There is no command ${JSON.stringify(name)}.`;
  // The list would move the answer out of sight.
  return nearest === undefined
    ? new UsageError(unknown, `Commands:\n${await describeCommands()}`)
    : new UsageError(`${unknown} Did you mean ${nearest}?`, `All commands: ${ALL}`);
}
