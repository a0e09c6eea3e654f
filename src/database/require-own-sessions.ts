import { sql } from "kysely";
import { SetupError } from "../errors.ts";
import { connectionProblem } from "./connection-problem.ts";
import { isDatabaseError } from "./database-fault.ts";
import { openPool } from "./pools.ts";
import { poolerFault } from "./pooler-fault.ts";

/**
 * Looks whether a session behind the address past the pooler is one of its own, as LISTEN needs: behind a pooler it would
 * succeed, and nothing would ever be heard. An address that cannot be reached now is none of its business.
 * @throws {SetupError} where sessions are shared
 */
export async function requireOwnSessions(listenDatabaseUrl: string): Promise<void> {
  const db = openPool("command", { DATABASE_URL: listenDatabaseUrl });
  try {
    await sql`select`.execute(db);
  } catch (error) {
    if (error instanceof SetupError) throw error;
    if (isDatabaseError(error) && poolerFault(error) !== undefined) throw connectionProblem(error);
  } finally {
    await db.destroy();
  }
}
