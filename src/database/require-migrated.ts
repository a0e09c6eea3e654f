import pg from "pg";
import { unhurried } from "../timing/unhurried.ts";
import { askOnce } from "./ask-once.ts";
import { SetupError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { FUNCTIONS, isNewer, readState, type DatabaseState } from "../migrate/applied.ts";
import { firstVersion } from "../migrate/first-version.ts";
import { readMigrationFiles } from "../migrate/migration-files.ts";
import { connectionProblem } from "./connection-problem.ts";
import { beingUninstalled, UNINSTALL } from "../migrate/uninstalling.ts";
import { INSUFFICIENT_PRIVILEGE } from "../sqlstate.ts";

/** @throws {SetupError} where the database cannot be reached, or has not been migrated as far as this code needs. */
export async function requireMigrated(databaseUrl: string): Promise<void> {
  const { applied, isFirstVersion } = await stateOf(databaseUrl);
  if (isFirstVersion) throw firstVersion();
  if (applied.has(UNINSTALL)) throw beingUninstalled();
  if (applied.size === 0)
    throw new SetupError("This database has not been migrated.", `Run: ${invocation("migrate")}`);
  const { committed, functionsHash } = await readMigrationFiles();
  const functions = applied.get(FUNCTIONS);
  // A newer version's are right for this code too: it is being replaced, listener by listener.
  const isOlder =
    committed.some(({ filename }) => !applied.has(filename)) ||
    functions === undefined ||
    (functions.hash !== functionsHash && !isNewer(functions.version));
  if (!isOlder) return;
  throw new SetupError(
    `This database was migrated by an older version${functions === undefined ? "" : ` (${functions.version})`}.`,
    `Run: ${invocation("migrate")}`,
  );
}

/** What was applied to a database. @throws {SetupError} where it cannot be reached or read. */
export async function stateOf(databaseUrl: string): Promise<DatabaseState> {
  try {
    return await askOnce(databaseUrl, askState);
  } catch (error) {
    throw connectionProblem(error);
  }
}

async function askState(client: pg.Client): Promise<DatabaseState> {
  try {
    return await unhurried(client, () => readState(client));
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || error.code !== INSUFFICIENT_PRIVILEGE) throw error;
    throw new SetupError(
      `The role ${client.user ?? "of DATABASE_URL"} may not read the schema autoembed: ${error.message}.`,
      "Grant it what a listener needs: docs/grants.sql",
      { cause: error },
    );
  }
}
