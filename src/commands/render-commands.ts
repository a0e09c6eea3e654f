/** Whether this is a package that another project has installed, which has scripts of its own. */
const IS_DEPENDENCY = import.meta.url.includes("/node_modules/");

/** A message with its commands as they can be called here: `npx pg-autoembed status` where `npm run status` is nobody's. */
export function renderCommands(message: string, isDependency = IS_DEPENDENCY): string {
  if (!isDependency) return message;
  return message.replaceAll(
    /npm (?:run ([a-z]+)(?: --(?= ))?|(start)\b)/g,
    (_, script?: string, start?: string) => `npx pg-autoembed ${script ?? start ?? ""}`,
  );
}
