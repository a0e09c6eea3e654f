import { isDatabaseError } from "./database-fault.ts";
import { directUrl, type DatabaseUrls } from "./pools.ts";
import { requireMigrated } from "./require-migrated.ts";
import { INVALID_SCHEMA_NAME, UNDEFINED_COLUMN, UNDEFINED_FUNCTION, UNDEFINED_TABLE } from "../sqlstate.ts";

/** Undefined table, function, schema or column: as in a database that is not migrated, or not as far as needed. */
const MISSING = new Set([UNDEFINED_TABLE, UNDEFINED_FUNCTION, INVALID_SCHEMA_NAME, UNDEFINED_COLUMN]);

/**
 * Runs `work`. If it fails because something is missing in the database, looks whether the database was migrated: that
 * costs no connection where all is well.
 * @throws {SetupError} that says what to run, if it was not
 */
export async function explainUnmigrated<T>(urls: DatabaseUrls, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const candidates = [error, error instanceof Error ? error.cause : undefined];
    const missing = candidates.some((candidate) => isDatabaseError(candidate) && MISSING.has(candidate.code));
    if (missing) await requireMigrated(directUrl(urls));
    throw error;
  }
}
