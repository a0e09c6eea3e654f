/** Whether this code runs as a dependency: another project installed the package and has npm scripts of its own. */
const IS_DEPENDENCY = import.meta.url.includes("/node_modules/");

/**
 * A message with its commands in the form that the user can call: `npm run status` in this project,
 * `npx pg-autoembed status` in a project that depends on it.
 */
export function renderCommands(message: string, isDependency = IS_DEPENDENCY): string {
  if (!isDependency) return message;
  return message.replaceAll(
    /npm (?:run ([a-z]+)(?: --(?= ))?|(start)\b)/g,
    (_, script?: string, start?: string) => `npx pg-autoembed ${script ?? start ?? ""}`,
  );
}
