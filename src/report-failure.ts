import pg from "pg";
import { describeDatabaseError, harmlessMessage } from "./database/database-fault.ts";
import { SetupError, UsageError } from "./errors.ts";
import { ProviderError } from "./providers/provider-error.ts";

/** What pg says, besides a code of the system's, when a connection is lost or never came about. */
const LOST = /^(Connection terminated|Query read timeout|timeout exceeded when trying to connect)/;
const UNREACHABLE = /^(ECONN\w+|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|E(HOST|NET)UNREACH)$/;

/**
 * Why a command failed, for its user: what is wrong, and what to do. What the database says is repeated only where no
 * value of a row can be in it.
 */
export function describeFailure(error: unknown): string {
  if (error instanceof SetupError) return `${error.message}\n${error.remedy}`;
  if (error instanceof ProviderError) return error.message;
  if (error instanceof pg.DatabaseError) {
    const said = harmlessMessage(error);
    if (said !== undefined) return `${capitalised(describeDatabaseError(error))}: ${said}.`;
    return `${capitalised(describeDatabaseError(error))}.\nWhat it said is not repeated, since it may quote a row: see the server's log.`;
  }
  if (isLostConnection(error)) {
    return `${capitalised(describeDatabaseError(error))}.\nRun the command again when it is back.`;
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** 2 for bad usage or configuration, else 1. */
export function exitCodeOf(error: unknown): 1 | 2 {
  return error instanceof UsageError ? 2 : 1;
}

function isLostConnection(error: unknown): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return (typeof code === "string" && UNREACHABLE.test(code)) || LOST.test(String(message));
}

function capitalised(sentence: string): string {
  return sentence.charAt(0).toUpperCase() + sentence.slice(1);
}
