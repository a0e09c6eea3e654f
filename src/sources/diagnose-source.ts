import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import type pg from "pg";
import {
  databaseFault,
  describeDatabaseError,
  harmlessMessage,
  isDatabaseError,
  isOfEveryTable,
} from "../database/database-fault.ts";
import type { ChunkedSource } from "./chunked-source.ts";
import { unplannedIndex } from "./indexed-functions.ts";
import { missingGrants } from "./missing-grants.ts";
import type { SourceRow } from "./read-sources.ts";
import { withoutIdentity } from "./replica-identity.ts";
import { watchedRows } from "./source-sql.ts";
import type { BrokenSource, KeyColumn, Source } from "./source.ts";
import { invocation } from "../invocation.ts";
import { INSUFFICIENT_PRIVILEGE, UNDEFINED_COLUMN } from "../sqlstate.ts";

/** What is done with a source. A search may be a role's that sees some rows only: it finds those. */
export type Use = "work" | "search";

/** The source that a row describes; or, where its tables no longer allow work on it, what is wrong and what to do. */
export function diagnoseSource(row: SourceRow, use: Use): Source | ChunkedSource | BrokenSource {
  const broken = (problem: string): BrokenSource => ({ id: row.id, name: row.name, problem });
  const missingChanges = (problem: string): BrokenSource => ({ ...broken(problem), missesChanges: true });
  if (row.schema === null || row.table === null) {
    const again = invocation("watch", ["TABLE", "--name", row.name, "--text", row.text_expression]);
    return broken(
      `its table was dropped. If it was created again, watch it again under this name, with the options that it had: \`${again}\`, and backfill. If it is gone: \`${invocation("unwatch", [row.name])}\``,
    );
  }
  const watched = `${row.schema}.${row.table}`;
  const vectorTable = vectorTableOf(row);
  if (vectorTable === undefined) {
    return broken(
      `the table of its vectors was dropped: watch ${watched} again with --into, which makes it again, and backfill (changes are still queued)`,
    );
  }
  if (row.misses_inserts) {
    return missingChanges(
      `${watched} became a partition after it was watched, so rows inserted through its parent are not seen: watch it again under this name, and backfill`,
    );
  }
  if (row.text_is_virtual) {
    return missingChanges(
      `${row.text_expression} of ${watched} became a virtual generated column, whose value triggers do not see, so changes are not queued: make it stored, or watch its expression in its place, and backfill`,
    );
  }
  const holder = vectorTable === null ? watched : `${vectorTable.schema}.${vectorTable.table}`;
  const lost = (table: string, column: string): BrokenSource =>
    broken(
      `${table} has no column ${column} any more: watch it again with the new name (changes are still queued)`,
    );
  const lostKey = row.key.find((column) => column.type === null);
  if (lostKey !== undefined) return lost(watched, lostKey.name);
  if (row.lacks_tenant && row.tenant_column !== null) return lost(watched, row.tenant_column);
  if (row.key_index === null) {
    const columns = row.key.map(({ name }) => name).join(", ");
    return broken(
      `the key (${columns}) of ${watched} is not unique and not null any more: give it back its primary key, or its unique index and a NOT NULL that is validated, or watch the table again by another key, and backfill (changes are still queued)`,
    );
  }
  if (row.role_without_queue !== null) {
    return missingChanges(
      `its trigger functions belong to the role ${row.role_without_queue}, which may not write to the queue, so that changes are not queued: \`${invocation("doctor")}\` says what to run; then backfill`,
    );
  }
  const apart = row.key.find((column) => !column.in_vector_table);
  if (apart !== undefined) {
    return broken(
      `the key column ${apart.name} of ${watched} is not in ${holder}, or has another type there: give it the same name and type in both (changes are still queued)`,
    );
  }
  const { vector_type: vectorType } = row;
  if (vectorType === null) return lost(holder, row.vector_column);
  if (vectorType !== "vector" && vectorType !== "halfvec") {
    return broken(`column ${row.vector_column} is ${vectorType}, neither vector nor halfvec`);
  }
  if (use === "work" && row.hidden_by_row_security !== null) {
    return broken(
      `row-level security hides rows of ${row.hidden_by_row_security} from this role: give it a policy "using (true)", or BYPASSRLS`,
    );
  }
  if (row.rule !== null) {
    return broken(
      `Postgres cannot write vectors because of the rule ${row.rule}: drop it, and put a trigger in its place (changes are still queued)`,
    );
  }
  if (row.lacks_identity) return broken(`${withoutIdentity(holder)} (changes are still queued)`);
  const source: Source = {
    id: row.id,
    name: row.name,
    oid: row.oid,
    schema: row.schema,
    table: row.table,
    key: row.key.map(({ name, type, operators }): KeyColumn => ({ name, type: type ?? "", operators })),
    keyIndex: row.key_index,
    ...(row.has_altered_key && { hasAlteredKey: true }),
    hasSingleKeyLookup: row.has_single_key_lookup,
    textExpression: row.text_expression,
    textIsColumn: row.text_is_column,
    tenantColumn: row.tenant_column,
    hasTenants: row.has_tenants,
    vectorColumn: row.vector_column,
    vectorTable,
    vectorType,
    vectorSchema: row.vector_schema ?? "",
    columnDimensions: row.column_dimensions,
    backend: row.backend,
    model: row.model,
    dimensions: row.dimensions,
    settings: row.settings,
    paused: row.paused,
  };
  if (row.passages === null || vectorTable === null) return source;
  if (row.embedded_by === null) {
    return broken(
      `its chunks in ${holder} are no longer embedded: watch ${watched} again with --into and --chunk`,
    );
  }
  return { ...source, vectorTable, chunkSettings: row.passages, embeddedBy: row.embedded_by };
}

/** Null where the vectors are in the watched table; undefined where their own table was dropped. */
function vectorTableOf({ vector_table: table }: SourceRow): Source["vectorTable"] | undefined {
  if (table === null) return null;
  const { schema, table: name, oid } = table;
  return schema === null || name === null ? undefined : { schema, table: name, oid };
}

/** Reads the text expression once, over no row: a column or function that it names may have been renamed or dropped. */
export async function diagnoseText(
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
export async function diagnoseIndexes<One extends Source>(
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
