import { UsageError } from "../errors.ts";

/** What is asked does not fit the table's columns, as they were when they were loaded. */
export class RefusedByColumns extends UsageError {
  static unknown(what: string, columns: ReadonlyMap<string, unknown>): RefusedByColumns {
    return new RefusedByColumns(what, `There are: ${[...columns.keys()].join(", ")}.`);
  }
}
