/** Whether a URL has a user or a password in it. Neither is ever sent. */
export function hasUser(url: string): boolean {
  const { username, password } = new URL(url);
  return username !== "" || password !== "";
}

/** The same URL without them, to be shown. */
export function withoutUser(url: string): string {
  if (!hasUser(url)) return url;
  const bare = new URL(url);
  bare.username = "";
  bare.password = "";
  return url.endsWith("/") ? bare.href : bare.href.replace(/\/$/, "");
}
