import pg from "pg";
import { SetupError } from "../errors.ts";

const INSUFFICIENT_PRIVILEGE = "42501";
const NO_SCHEMA = "3F000";

/** Postgres's refusal of a definition, with its hint, as something that a person can act on. No row's content is in it. */
export function explainRefusal(error: unknown, verb: string): unknown {
  if (!(error instanceof pg.DatabaseError)) return error;
  const message = `Cannot ${verb}: ${error.message}.`;
  if (error.hint !== undefined) return new SetupError(message, error.hint, { cause: error });
  if (error.code === INSUFFICIENT_PRIVILEGE) {
    return new SetupError(message, `Run it as the table's owner, as you migrate.`, { cause: error });
  }
  return error.code?.startsWith("42") === true || error.code === NO_SCHEMA
    ? new SetupError(message, "Nothing was changed.", { cause: error })
    : error;
}
