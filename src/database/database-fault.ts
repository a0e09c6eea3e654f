import pg from "pg";

/**
 * What made a statement fail.
 * - `server`: the connection, a lock, a shutdown, a full disk: the same statement may succeed later.
 * - `row`: a constraint or a user trigger refuses the row.
 * - `table`: a table, column, type or permission was changed.
 */
export type DatabaseFault = "server" | "row" | "table";

/** Cardinality, data, integrity, triggered action, external routine (38, 39), a view's check, and `raise`. */
const ROW_CLASSES = new Set(["21", "22", "23", "27", "38", "39", "44", "P0"]);

/** By SQLSTATE class: https://www.postgresql.org/docs/current/errcodes-appendix.html */
export function databaseFault(error: unknown): DatabaseFault {
  if (!(error instanceof pg.DatabaseError) || error.code === undefined) return "server";
  const { code } = error;
  // A 42xxx raised inside a function comes from a user trigger and concerns this row only.
  if (code.startsWith("42") && error.where !== undefined) return "row";
  // 0A000: a user rule on the table, which does not support our statement.
  // 22000: pgvector raises it for a vector of the wrong length: the column's type was changed.
  if (code.startsWith("42") || code === "22000" || code === "0A000" || code === "3F000") return "table";
  if (ROW_CLASSES.has(code.slice(0, 2))) return "row";
  return "server";
}

/** Whether the text expression of a source may have raised this error, for one row of many. */
export function isTextFault(error: unknown): boolean {
  if (!(error instanceof pg.DatabaseError) || error.code === undefined) return false;
  return ROW_CLASSES.has(error.code.slice(0, 2));
}

/** Whether a failed statement may still be committed: its connection was lost before the reply. */
export function mayBeCommitted(error: unknown): boolean {
  return !(error instanceof pg.DatabaseError) || error.code === "57P01" || error.code === "57P02";
}

/** Lost connections, a full disk, a shutdown, a missing database or role. */
const SERVER_CLASSES = new Set(["08", "28", "3D", "53", "57"]);

/**
 * The message, if it can only be about the SQL or the server. An error in user code has a context (`where`). An error
 * about a row's value is raised when a statement runs, without the position that errors of parsing have.
 */
export function harmlessMessage(error: pg.DatabaseError): string | undefined {
  const { code = "", message, where, internalQuery, position } = error;
  if (where !== undefined || internalQuery !== undefined) return undefined;
  const isOfSql = code.startsWith("42") && (position !== undefined || code === "42501");
  return isOfSql || SERVER_CLASSES.has(code.slice(0, 2)) ? message : undefined;
}

/** Describes the error without its message, into which a user trigger or constraint may have put the row's text. */
export function describeDatabaseError(error: unknown): string {
  if (!(error instanceof pg.DatabaseError)) {
    const failure = error as { code?: unknown; message?: unknown };
    return `the database cannot be reached (${String(failure.code ?? failure.message)})`;
  }
  const where = [error.schema, error.table, error.column, error.constraint].filter(
    (part) => part !== undefined,
  );
  return `the database answered SQLSTATE ${error.code ?? "unknown"}${where.length > 0 ? ` (${where.join(", ")})` : ""}`;
}
