import pg from "pg";

/**
 * Whose fault a failed statement is.
 * - `server`: the connection, a lock, a shutdown, a full disk: the same statement may pass later.
 * - `row`: a constraint or a trigger of the user refuses what is written.
 * - `table`: a table, column, type or permission is not what it was.
 */
export type DatabaseFault = "server" | "row" | "table";

/** Cardinality, data, integrity, triggered action, a routine of the user's (38, 39), a view's check, and `raise`. */
const ROW_CLASSES = new Set(["21", "22", "23", "27", "38", "39", "44", "P0"]);

/** By SQLSTATE class: https://www.postgresql.org/docs/current/errcodes-appendix.html */
export function databaseFault(error: unknown): DatabaseFault {
  if (!(error instanceof pg.DatabaseError) || error.code === undefined) return "server";
  const { code } = error;
  // Raised in a function, and not by the statement: a trigger of the user's names what is not there, for this row.
  if (code.startsWith("42") && error.where !== undefined) return "row";
  // 0A000: a rule of the user's on the table, where vectors cannot be written beside anything else.
  // 22000 is what pgvector raises for a vector of the wrong length: the column's type was changed.
  if (code.startsWith("42") || code === "22000" || code === "0A000" || code === "3F000") return "table";
  if (ROW_CLASSES.has(code.slice(0, 2))) return "row";
  return "server";
}

/** Whether computing a text may have failed so: the expression of a source raised for one row of many. */
export function isTextFault(error: unknown): boolean {
  if (!(error instanceof pg.DatabaseError) || error.code === undefined) return false;
  return ROW_CLASSES.has(error.code.slice(0, 2));
}

/** Whether a failed statement may have been committed all the same, or may yet be: its connection was lost before the answer. */
export function mayBeCommitted(error: unknown): boolean {
  return !(error instanceof pg.DatabaseError) || error.code === "57P01" || error.code === "57P02";
}

/** Lost connections, lack of room, a shutdown, a database or role that is not there. */
const SERVER_CLASSES = new Set(["08", "28", "3D", "53", "57"]);

/**
 * The message, where it can only be of the SQL or the server: code of a user's tells where it stands, and the value of a
 * row is met when a statement runs, not when it is read.
 */
export function harmlessMessage(error: pg.DatabaseError): string | undefined {
  const { code = "", message, where, internalQuery, position } = error;
  if (where !== undefined || internalQuery !== undefined) return undefined;
  const isOfSql = code.startsWith("42") && (position !== undefined || code === "42501");
  return isOfSql || SERVER_CLASSES.has(code.slice(0, 2)) ? message : undefined;
}

/** What went wrong, without the message: a trigger or constraint of the user may have put the row's text in it. */
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
