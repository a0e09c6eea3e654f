export type CommandName =
  | "start"
  | "demo"
  | "init"
  | "diff"
  | "apply"
  | "migrate"
  | "backfill"
  | "drain"
  | "status"
  | "search"
  | "mcp"
  | "index"
  | "watch"
  | "unwatch"
  | "adopt"
  | "sources"
  | "remodel"
  | "pause"
  | "resume"
  | "failed"
  | "retry"
  | "verify"
  | "doctor"
  | "cache"
  | "egress"
  | "erase"
  | "uninstall";

/** Whether this code runs as a dependency: another project installed the package and has npm scripts of its own. */
const IS_DEPENDENCY = import.meta.url.includes("/node_modules/");

/**
 * How the user calls a command, for messages: `npm run status -- --json` in this project, `npx pg-autoembed status --json`
 * in a project that depends on it.
 * @param args as text, or a list whose items are quoted for the shell where they need it: names of sources
 */
export function invocation(
  name: CommandName,
  args: string | readonly string[] = "",
  isDependency = IS_DEPENDENCY,
): string {
  if (typeof args !== "string") return invocation(name, shellWords(args), isDependency);
  if (isDependency) return `npx pg-autoembed ${name}${args && ` ${args}`}`;
  return `npm ${name === "start" ? "" : "run "}${name}${args && ` -- ${args}`}`;
}

const WITH_VALUE = new Set(["--source", "--name", "--text", "--key", "--vector", "--tenant"]);

/** A name that begins with a dash would be taken for an option. */
function shellWords(args: readonly string[]): string {
  const [only] = args;
  if (args.length === 1 && only !== undefined && /^-[^-]/.test(only)) return `-- ${shellWord(only)}`;
  const isDashedValue = (i: number): boolean =>
    WITH_VALUE.has(args[i - 1] ?? "") && args[i]?.startsWith("-") === true;
  return args.map((arg, i) => `${i === 0 ? "" : isDashedValue(i) ? "=" : " "}${shellWord(arg)}`).join("");
}

/** A value as a shell reads it back. Double quotes where they do, since Windows knows no others. */
export function shellWord(value: string): string {
  if (/^[\w@%+=:,./-]+$/.test(value)) return value;
  return /["$`\\!]/.test(value) ? `'${value.replaceAll("'", "'\\''")}'` : `"${value}"`;
}
