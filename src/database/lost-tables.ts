import { sql } from "kysely";
import { SetupError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import type { Database } from "./connect.ts";
import { isDatabaseError } from "./database-fault.ts";
import { INSUFFICIENT_PRIVILEGE, UNDEFINED_FUNCTION } from "../sqlstate.ts";

/** What our schema lacks, and what to do. */
interface Loss {
  readonly what: string;
  readonly remedy: string;
}

/** What embedding needs. Without another table of ours something is not counted, or not found again. */
const NEEDED =
  /^embedding_(backfill|batch|cache|ledger|listener|model|page|queue|reservation|source|spending|ticket)(\.|$)/;

/** Finds the tables, columns and the sequence of ours that are missing: all, or those that match. */
export async function findLoss(db: Database, wanted = /^/): Promise<Loss | undefined> {
  const { rows: missing } = await sql<{ name: string; definition: string | null; has_pgvector: boolean }>`
    select t.name, t.definition, exists (select from pg_extension where extname = 'vector') as has_pgvector
    from autoembed.lost_tables() t where t.kind = 'missing' order by t.name`.execute(db);
  const rows = missing.filter(({ name }) => wanted.test(name));
  if (rows.length === 0) return undefined;
  const lost = `The schema autoembed has lost ${rows.map(({ name }) => name).join(", ")}.`;
  if (rows.some(({ has_pgvector: has }) => !has)) {
    return {
      what: `The extension vector (pgvector) is gone from the database. ${lost}`,
      remedy: `As the owner of the database: create extension vector; Then run \`${invocation("doctor")}\` again: it says how to restore the columns.`,
    };
  }
  if (rows.every(({ definition }) => definition !== null)) {
    return {
      what: lost,
      remedy: `As the owner of the schema autoembed: ${rows.map(({ definition }) => definition ?? "").join(" ")} Then: ${invocation("migrate")}`,
    };
  }
  return {
    what: lost,
    remedy: `Restore what is missing from a dump of this database that has it. Or begin again, which keeps your vectors: ${invocation("uninstall")}, then ${invocation("migrate")}, and watch each table.`,
  };
}

/** No such function, or no right to it: what follows says so. */
const CANNOT_LOOK = new Set([UNDEFINED_FUNCTION, INSUFFICIENT_PRIVILEGE]);

/**
 * Looks before anything is sent: what a provider answers could not be stored, and would be paid for again.
 * @throws {SetupError} where a table or a column is missing that embedding needs
 */
export async function requireTables(db: Database): Promise<void> {
  const loss = await findLoss(db, NEEDED).catch((error: unknown) => {
    if (isDatabaseError(error) && CANNOT_LOOK.has(error.code)) return undefined;
    throw error;
  });
  if (loss !== undefined) throw new SetupError(loss.what, loss.remedy);
}
