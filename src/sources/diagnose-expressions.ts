import { sql } from "kysely";
import type pg from "pg";
import type { Database } from "../database/connect.ts";
import {
  databaseFault,
  describeDatabaseError,
  harmlessMessage,
  isDatabaseError,
  isOfEveryTable,
} from "../database/database-fault.ts";
import type { Use } from "./diagnose-source.ts";
import { unplannedIndex } from "./indexed-functions.ts";
import { missingGrants } from "./missing-grants.ts";
import type { SourceRow } from "./read-sources.ts";
import { watchedRows } from "./source-sql.ts";
import type { BrokenSource, Source } from "./source.ts";
import { INSUFFICIENT_PRIVILEGE, UNDEFINED_COLUMN } from "../sqlstate.ts";

/** The source; or, where Postgres can no longer compute its text or plan over an index of its tables, what is wrong and what to do. */
export async function diagnoseExpressions<One extends Source>(
  db: Database,
  source: One,
  row: SourceRow,
  use: Use,
): Promise<One | BrokenSource> {
  // Otherwise the text would be blamed.
  const planned = await diagnoseIndexes(db, source, row, use);
  if ("problem" in planned || planned.plansAsRole === true) return planned;
  return (await diagnoseText(db, planned, row, use)) ?? planned;
}

/** Reads the text expression once, over no row: a column or function that it names may have been renamed or dropped. */
async function diagnoseText(
  db: Database,
  source: Source,
  { text_is_column: isColumn }: Pick<SourceRow, "text_is_column">,
  use: Use,
): Promise<BrokenSource | undefined> {
  if (isColumn) return undefined;
  try {
    await sql`select from ${watchedRows(source)} t where t.content is null limit 0`.execute(db);
    return undefined;
  } catch (error) {
    // What is done in a transaction is over.
    if (!isDatabaseError(error) || isOfEveryTable(error) || db.isTransaction) throw error;
    // A lock that is not given in time tells nothing of the text: whoever works on the source will see.
    if (databaseFault(error) === "server") return undefined;
    const { id, name, schema, table, textExpression } = source;
    if (error.code === INSUFFICIENT_PRIVILEGE)
      return { id, name, problem: await forbidden(db, source, error.message, use) };
    const problem = `the text ${textExpression} cannot be read from ${schema}.${table} any more: ${whyUnreadable(error)} (changes are still queued)`;
    return { id, name, problem };
  }
}

function whyUnreadable(error: pg.DatabaseError): string {
  if (error.code === UNDEFINED_COLUMN)
    return "a column was renamed or dropped. Watch it again under this name";
  return `${harmlessMessage(error) ?? describeDatabaseError(error)}. Undo that, or watch it again under this name, with a text that can be read`;
}

/** @param refusal of Postgres: it names a table, a schema or a function, and no value */
async function forbidden(db: Database, source: Source, refusal: string, use: Use): Promise<string> {
  // A search writes nothing, and a role that may read the table lacks the right to a function.
  const missing = use === "search" ? null : await missingGrants(db, source);
  if (missing?.mayRead === false)
    return `the role ${missing.role} may not read ${source.schema}.${source.table} or may not write its vectors: ${missing.grants}`;
  return `this role may not compute the text ${source.textExpression} of ${source.schema}.${source.table}: ${refusal}. Grant it that right (changes are still queued)`;
}

/** Work on a table is planned under our search path; a search can be planned under the role's. */
async function diagnoseIndexes<One extends Source>(
  db: Database,
  source: One,
  { function_indexes: indexes }: Pick<SourceRow, "function_indexes">,
  use: Use,
): Promise<BrokenSource | One> {
  const found = await unplannedIndex(db, source, indexes ?? []);
  if (found === undefined) return source;
  if (use === "search") return { ...source, plansAsRole: true };
  const { index, functions } = found;
  const problem = `Postgres cannot plan a statement over the table, since its index ${index} calls ${functions}, which finds what it calls only by a search path of yours: give each such function its own (alter function … set search_path = public, pg_catalog). Changes are still queued`;
  return { id: source.id, name: source.name, problem };
}
