import { UsageError } from "../errors.ts";

/** Per source, the columns that may be selected and filtered by. */
export type AllowedColumns = ReadonlyMap<string, readonly string[]>;

/** @param values such as `tickets=title,status`. @throws {UsageError} */
export function parseColumns(values: readonly string[]): AllowedColumns {
  const allowed = new Map<string, readonly string[]>();
  for (const value of values) {
    // A source's name may contain the sign; of a column's we do not expect it.
    const at = value.lastIndexOf("=");
    const columns = value.slice(at + 1).split(",");
    if (at < 1 || columns.includes(""))
      throw new UsageError(
        `--columns takes a source and its columns, got ${JSON.stringify(value)}.`,
        "Such as: --columns tickets=title,status",
      );
    const source = value.slice(0, at);
    allowed.set(source, [...new Set([...(allowed.get(source) ?? []), ...columns])]);
  }
  return allowed;
}

/** @throws {UsageError} if a filter has a column that is not allowed: comparing values would reveal them. */
export function checkFilter(source: string, where: object, columns: readonly string[]): void {
  const refused = Object.keys(where).filter((column) => !columns.includes(column));
  if (refused.length > 0)
    throw new UsageError(
      `${source} may not be filtered by ${refused.join(", ")}.`,
      columns.length === 0 ? "None of its columns is allowed here." : `Allowed are: ${columns.join(", ")}.`,
    );
}
