import type pg from "pg";
import { SetupError } from "../errors.ts";
import { poolerFault } from "./pooler-fault.ts";
import {
  DISK_FULL,
  INSUFFICIENT_PRIVILEGE,
  INVALID_SCHEMA_NAME,
  QUERY_CANCELED,
  READ_ONLY_SQL_TRANSACTION,
  UNTRANSLATABLE_CHARACTER,
} from "../sqlstate.ts";

/** Whether Postgres answered with an error, also through an application's own copy of `pg`: by its shape. */
export function isDatabaseError(error: unknown): error is pg.DatabaseError & { readonly code: string } {
  if (!(error instanceof Error) || !("code" in error) || !("severity" in error)) return false;
  return typeof error.code === "string" && error.code.length === 5;
}

/**
 * What made a statement fail.
 * - `server`: the connection, a lock, a shutdown, a full disk: the same statement may succeed later.
 * - `row`: a constraint or a user trigger refuses the row.
 * - `table`: a table, column, type or permission was changed.
 */
export type DatabaseFault = "server" | "row" | "table";

/** Cardinality, data, integrity, triggered action, external routine (38, 39), a view's check, and `raise`. */
const ROW_CLASSES = new Set(["21", "22", "23", "27", "38", "39", "44", "P0"]);

/**
 * Connections, the transaction's state, deadlocks, resources, a lock that is not given, an operator's intervention, a
 * foreign server, a failing disk: no row is at fault, also where user code raises it. `autoembed.evaluate_text()` has the list too.
 */
const PASSING = /^(08|25|40|53|57|HV)|^(55P03|58030)$/;

/** By SQLSTATE class: https://www.postgresql.org/docs/current/errcodes-appendix.html */
export function databaseFault(error: unknown): DatabaseFault {
  if (!isDatabaseError(error)) return "server";
  const { code } = error;
  if (poolerFault(error) !== undefined || PASSING.test(code)) return "server";
  // Whatever a user trigger raises, or a function that it calls, concerns this row only.
  if (isOfUserCode(error)) return "row";
  // 0A000: a user rule on the table, which does not support our statement.
  // 22000: pgvector raises it for a vector of the wrong length: the column's type was changed.
  if (code.startsWith("42") || code === "22000" || code === "0A000" || code === INVALID_SCHEMA_NAME)
    return "table";
  // 54000: a value that is too long for an index of the user's.
  if (ROW_CLASSES.has(code.slice(0, 2)) || code === "54000") return "row";
  return "server";
}

function isOfUserCode({ where, internalQuery }: pg.DatabaseError): boolean {
  return where !== undefined || internalQuery !== undefined;
}

/**
 * Whether the text expression of a source may have raised this error, for one row of many: anything that does not pass by
 * itself, and is not about the statement (Postgres says where it stands in there). A function of one SELECT is a part of the
 * statement, so that its errors do not show where they come from: `autoembed.evaluate_text()` tells them from those of the source.
 */
export function isTextFault(error: unknown): boolean {
  if (!isDatabaseError(error) || poolerFault(error) !== undefined) return false;
  return !PASSING.test(error.code) && error.position === undefined;
}

/** Whether a value that the statement was given is none of its type. */
export function isOfValue(error: unknown): boolean {
  return isDatabaseError(error) && ROW_CLASSES.has(error.code.slice(0, 2));
}

/** Whether a failed statement may still be committed: its connection was lost before the reply. */
export function mayBeCommitted(error: unknown): boolean {
  return !isDatabaseError(error) || error.code === "57P01" || error.code === "57P02";
}

/** The server, the database or the role has as many connections as it may have: nothing was sent. */
export function isOutOfConnections(error: unknown): boolean {
  return isDatabaseError(error) && (error.code === "53300" || poolerFault(error)?.isFull === true);
}

/**
 * The server did not accept the password or the token. Tokens of RDS are refused by PAM, with the wider code; a pooler has
 * the code of a broken connection for it.
 */
export function isRefusedPassword(error: unknown): boolean {
  if (!isDatabaseError(error)) return false;
  const { code, message } = error;
  return code.startsWith("28") || (code === "08P01" && /authentication failed/i.test(message));
}

/** The statement met another session than the one before it: it was prepared elsewhere. */
export function isOfSharedSession(error: unknown): boolean {
  return isDatabaseError(error) && /^(26000|42P05)$/.test(error.code) && poolerFault(error) !== undefined;
}

/** The server is a standby, or was made read-only; after a failover another connection may lead to the new primary. */
export function isReadOnly(error: unknown): boolean {
  return isDatabaseError(error) && error.code === READ_ONLY_SQL_TRANSACTION;
}

/** The statement has no reply in time: the server hangs, or this statement takes too long. */
export function isUnanswered(error: unknown): boolean {
  return error instanceof Error && error.message === "Query read timeout";
}

/** A server that starts or stops, a full disk, no free connection. */
const OUTAGES = new Set(["57P03", DISK_FULL, "53300"]);

/**
 * Whether the same statement may be sent again on another connection, and neither a smaller nor another one would do better:
 * nothing was sent, no reply came, or the server takes no writes for now. What user code raises is none, whatever its code:
 * a trigger may ask another server (`dblink`, `postgres_fdw`), whose outage concerns its table only.
 */
export function isOutage(error: unknown): boolean {
  if (!isDatabaseError(error) || mayBeCommitted(error)) return true;
  const { code } = error;
  if (isOfUserCode(error)) return false;
  return isReadOnly(error) || poolerFault(error) !== undefined || OUTAGES.has(code) || code.startsWith("08");
}

/** Whether statements over other tables would do no better: an outage, or no connection. A lock or a right concerns one table. */
export function isOfEveryTable(error: unknown): boolean {
  return isOutage(error) || isRefusedPassword(error);
}

/** Lost connections, a full disk, a shutdown, a missing database or role. */
const SERVER_CLASSES = new Set(["08", "28", "3D", "53", "57"]);

/**
 * The message, if it can only be about the SQL or the server. An error in user code has a context (`where`). An error
 * about a row's value is raised when a statement runs, without the position that errors of parsing have.
 */
export function harmlessMessage(error: pg.DatabaseError): string | undefined {
  const { code = "", message, position } = error;
  if (isOfUserCode(error)) return undefined;
  const isOfNames = code.startsWith("42") || code === INVALID_SCHEMA_NAME;
  const isOfSql = isOfNames && (position !== undefined || code === INSUFFICIENT_PRIVILEGE);
  return isOfSql || SERVER_CLASSES.has(code.slice(0, 2)) ? message : undefined;
}

/** Describes the error without its message, into which a user trigger or constraint may have put the row's text. */
export function describeDatabaseError(error: unknown): string {
  if (error instanceof SetupError) return `${error.message} ${error.remedy}`;
  if (!isDatabaseError(error)) {
    const failure = error as { code?: unknown; message?: unknown };
    return `the database cannot be reached (${String(failure.code ?? failure.message)})`;
  }
  const fault = poolerFault(error);
  if (fault !== undefined) return `${fault.problem} (SQLSTATE ${error.code})`;
  if (isOutOfConnections(error)) return "the database has no free connection for this role (SQLSTATE 53300)";
  if (isReadOnly(error))
    return "the database takes no writes (SQLSTATE 25006): it is a standby, or read-only";
  if (error.code === QUERY_CANCELED)
    return "a statement was cancelled, or took longer than the role's statement_timeout (SQLSTATE 57014)";
  if (error.code === UNTRANSLATABLE_CHARACTER)
    return "the database's encoding does not have all of the characters (SQLSTATE 22P05)";
  const where = [error.schema, error.table, error.column, error.constraint].filter(
    (part) => part !== undefined,
  );
  return `the database answered SQLSTATE ${error.code}${where.length > 0 ? ` (${where.join(", ")})` : ""}`;
}
