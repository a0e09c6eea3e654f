import pg from "pg";
import { RAISE_LIMIT } from "./database/connection-problem.ts";
import {
  describeDatabaseError,
  harmlessMessage,
  isDatabaseError,
  isOutOfConnections,
  isReadOnly,
} from "./database/database-fault.ts";
import { poolerFault } from "./database/pooler-fault.ts";
import { Interrupted, SetupError, UsageError } from "./errors.ts";
import { ProviderError } from "./providers/provider-error.ts";

/** pg's messages without an error code when a connection is lost or cannot be made. */
const LOST = /^(Connection terminated|Query read timeout|timeout exceeded when trying to connect)/;
const UNREACHABLE = /^(ECONN\w+|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|E(HOST|NET)UNREACH)$/;

const TO_THE_PRIMARY =
  "Name the primary in DATABASE_URL: by a DNS name that follows it, or a proxy that does. A search needs no writes.";

/**
 * Why a command failed, for its user: what is wrong, and what to do. The database's message is repeated only if it
 * cannot contain a value of a row.
 */
export function describeFailure(error: unknown): string {
  if (error instanceof SetupError) return `${error.message}\n${error.remedy}`;
  if (error instanceof ProviderError) return error.message;
  const interruption = interruptionIn(error);
  if (interruption !== undefined) return interruption.message;
  if (isReadOnly(error)) return `${capitalised(describeDatabaseError(error))}.\n${TO_THE_PRIMARY}`;
  const fault = isDatabaseError(error) ? poolerFault(error) : undefined;
  if (fault !== undefined) return `${capitalised(describeDatabaseError(error))}.\n${fault.remedy}`;
  if (error instanceof pg.DatabaseError) {
    const message = harmlessMessage(error);
    const remedy = isOutOfConnections(error) ? `\n${RAISE_LIMIT}` : "";
    if (message !== undefined) return `${capitalised(describeDatabaseError(error))}: ${message}.${remedy}`;
    return `${capitalised(describeDatabaseError(error))}.\nIts message is not repeated here, since it may quote a row: see the server's log.`;
  }
  if (isLostConnection(error)) {
    return `${capitalised(describeDatabaseError(error))}.\nRun the command again when the database is back.`;
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** 2 for bad usage or configuration, else 1. */
export function exitCodeOf(error: unknown): 1 | 2 {
  return error instanceof UsageError ? 2 : 1;
}

/** An interruption ends a wait with an error of its own, whose cause it is. */
function interruptionIn(error: unknown): Interrupted | undefined {
  const candidates = [error, error instanceof Error ? error.cause : undefined];
  return candidates.find((candidate) => candidate instanceof Interrupted);
}

function isLostConnection(error: unknown): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return (typeof code === "string" && UNREACHABLE.test(code)) || LOST.test(String(message));
}

function capitalised(sentence: string): string {
  return sentence.charAt(0).toUpperCase() + sentence.slice(1);
}
