export type CommandName =
  | "start"
  | "demo"
  | "migrate"
  | "backfill"
  | "status"
  | "search"
  | "index"
  | "watch"
  | "unwatch"
  | "sources"
  | "remodel"
  | "pause"
  | "resume"
  | "retry"
  | "verify"
  | "doctor"
  | "cache";

/** Whether this code runs as a dependency: another project installed the package and has npm scripts of its own. */
const IS_DEPENDENCY = import.meta.url.includes("/node_modules/");

/**
 * How the user calls a command, for messages: `npm run status -- --json` in this project, `npx pg-autoembed status --json`
 * in a project that depends on it.
 */
export function invocation(name: CommandName, args = "", isDependency = IS_DEPENDENCY): string {
  if (isDependency) return `npx pg-autoembed ${name}${args && ` ${args}`}`;
  return `npm ${name === "start" ? "" : "run "}${name}${args && ` -- ${args}`}`;
}
