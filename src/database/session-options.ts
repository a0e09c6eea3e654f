/**
 * Where to connect, and the settings of the session as `options` of its start. What the connection string has of those
 * stands before ours; pg would take it in place of ours.
 */
export function sessionOptions(
  databaseUrl: string,
  settings: Readonly<Record<string, string>>,
): { connectionString: string; options: string } {
  const ours = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);
  // Read by pg alone otherwise, which takes some that are no URL.
  if (!/[?&]options=/.test(databaseUrl)) return { connectionString: databaseUrl, options: ours.join(" ") };
  const url = new URL(databaseUrl);
  const theirs = url.searchParams.getAll("options");
  url.searchParams.delete("options");
  return { connectionString: url.href, options: [...theirs, ...ours].join(" ") };
}
