import { UsageError } from "../errors.ts";
import type { Command } from "./command.ts";

type Values = Readonly<Record<string, unknown>>;

/** The call with these options is of one of them: next to another it would go unheeded. @throws {UsageError} */
export function refuseTogether<V extends Values>(
  { usage }: Pick<Command, "usage">,
  values: V,
  options: readonly (keyof V & string)[],
): void {
  const given = options.filter((option) => isGiven(values[option]));
  if (given.length > 1) throw new UsageError(`${dashed(given)} exclude each other.`, `Usage: ${usage}`);
}

/** What is given next to an option that heeds only some of the others. @throws {UsageError} */
export function refuseUnheeded<V extends Values>(
  { usage }: Pick<Command, "usage">,
  values: V,
  option: keyof V & string,
  heeded: readonly (keyof V & string)[],
): void {
  if (!isGiven(values[option])) return;
  const others = Object.keys(values).filter((name) => name !== option && !heeded.includes(name));
  const unheeded = others.filter((name) => isGiven(values[name]));
  if (unheeded.length > 0)
    throw new UsageError(`--${option} cannot be used with ${dashed(unheeded)}.`, `Usage: ${usage}`);
}

/** An option that says something only about another one. @throws {UsageError} */
export function refuseWithout<V extends Values>(
  { usage }: Pick<Command, "usage">,
  values: V,
  option: keyof V & string,
  other: keyof V & string,
): void {
  if (isGiven(values[option]) && !isGiven(values[other]))
    throw new UsageError(`--${option} is for --${other}.`, `Usage: ${usage}`);
}

/** A switch that is off by default is not given. */
function isGiven(value: unknown): boolean {
  return value !== undefined && value !== false;
}

function dashed(options: readonly string[]): string {
  return options.map((option) => `--${option}`).join(" and ");
}
