/** The same value with the fields of its objects sorted, at every depth: `jsonb` keeps them in an order of its own. */
export function inOrder<T>(value: T): T {
  return JSON.parse(
    JSON.stringify(value, (_, part: unknown) =>
      typeof part === "object" && part !== null && !Array.isArray(part)
        ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
        : part,
    ),
  ) as T;
}
