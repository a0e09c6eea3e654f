import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { invocation } from "../invocation.ts";
import {
  changedFunctions,
  INSTALLED_FUNCTIONS,
  type InstalledFunction,
} from "../migrate/changed-functions.ts";
import { readMigrationFiles } from "../migrate/migration-files.ts";
import { FUNCTIONS, isNewer } from "../migrate/applied.ts";
import { problem, type Finding } from "./finding.ts";

/** Finds functions of the schema `autoembed` that a restore or a hand has dropped, replaced or given other settings. */
export async function examineFunctions(db: Database): Promise<Finding[]> {
  const { rows: recorded } = await sql<{ version: string }>`
    select version from autoembed.migration where filename = ${FUNCTIONS}`.execute(db);
  // Those of a newer version are as they should be for that one.
  if (recorded.some(({ version }) => isNewer(version))) return [];
  const [{ functions }, { rows: installed }] = await Promise.all([
    readMigrationFiles(),
    sql.raw<InstalledFunction>(INSTALLED_FUNCTIONS).execute(db),
  ]);
  const changed = changedFunctions(functions, installed);
  if (changed.length === 0) return [];
  return [
    problem(
      `Functions of the schema autoembed are missing, or are not this version's: ${changed.join(", ")}.`,
      `As the owner of the schema autoembed: ${invocation("migrate")}`,
    ),
  ];
}
