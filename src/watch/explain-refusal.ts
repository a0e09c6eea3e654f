import pg from "pg";
import { SetupError } from "../errors.ts";
import { INSUFFICIENT_PRIVILEGE, INVALID_SCHEMA_NAME } from "../sqlstate.ts";

/** Turns Postgres's refusal of a definition, with its hint, into a SetupError. It contains no row's content. */
export function explainRefusal(error: unknown, verb: string): unknown {
  if (!(error instanceof pg.DatabaseError)) return error;
  const message = `Cannot ${verb}: ${error.message}.`;
  if (error.hint !== undefined) return new SetupError(message, error.hint, { cause: error });
  if (error.code === INSUFFICIENT_PRIVILEGE) {
    return new SetupError(message, "Run this as the table's owner, the role that also migrates.", {
      cause: error,
    });
  }
  return error.code?.startsWith("42") === true || error.code === INVALID_SCHEMA_NAME
    ? new SetupError(message, "Nothing was changed.", { cause: error })
    : error;
}
