import { splitOptions } from "./connection-url.ts";

/**
 * Where to connect, and the settings of the session as `options` of its start. What the connection string has of those
 * stands before ours; pg would take it in place of ours.
 */
export function sessionOptions(
  databaseUrl: string,
  settings: Readonly<Record<string, string>>,
): { connectionString: string; options: string } {
  const ours = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);
  const { connectionString, options } = splitOptions(databaseUrl);
  return { connectionString, options: [...options, ...ours].join(" ") };
}
