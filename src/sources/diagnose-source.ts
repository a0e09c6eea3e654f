import type { ChunkedSource } from "./chunked-source.ts";
import type { SourceRow } from "./read-sources.ts";
import { withoutIdentity } from "./replica-identity.ts";
import type { BrokenSource, KeyColumn, Source } from "./source.ts";
import { invocation } from "../invocation.ts";

/** What is done with a source. A search may be a role's that sees some rows only: it finds those. */
export type Use = "work" | "search";

type Problem = Omit<BrokenSource, "id" | "name">;

/** The tables of a source, and their names for people. */
interface Tables extends Pick<Source, "schema" | "table" | "vectorTable"> {
  readonly watched: string;
  /** The one that has the vectors. */
  readonly holder: string;
}

/** The source that a row describes; or, where its tables no longer allow work on it, what is wrong and what to do. */
export function diagnoseSource(row: SourceRow, use: Use): Source | ChunkedSource | BrokenSource {
  const tables = tablesOf(row);
  const source =
    "problem" in tables
      ? tables
      : (unseenChanges(row, tables) ??
        lostKey(row, tables) ??
        (use === "work" ? hiddenRows(row) : undefined) ??
        refusedWrites(row, tables) ??
        sourceOf(row, tables));
  return "problem" in source ? { id: row.id, name: row.name, ...source } : source;
}

function tablesOf(row: SourceRow): Tables | Problem {
  const { schema, table, vector_table: own } = row;
  if (schema === null || table === null) {
    const again = invocation("watch", ["TABLE", "--name", row.name, "--text", row.text_expression]);
    return {
      problem: `its table was dropped. If it was created again, watch it again under this name, with the options that it had: \`${again}\`, and backfill. If it is gone: \`${invocation("unwatch", [row.name])}\``,
    };
  }
  const watched = `${schema}.${table}`;
  if (own === null) return { schema, table, vectorTable: null, watched, holder: watched };
  if (own.schema === null || own.table === null)
    return {
      problem: `the table of its vectors was dropped: watch ${watched} again with --into, which makes it again, and backfill (changes are still queued)`,
    };
  const vectorTable = { schema: own.schema, table: own.table, oid: own.oid };
  return { schema, table, vectorTable, watched, holder: `${own.schema}.${own.table}` };
}

/** What keeps changes from the queue. */
function unseenChanges(row: SourceRow, { watched }: Tables): Problem | undefined {
  const missing = (problem: string): Problem => ({ problem, missesChanges: true });
  if (row.misses_inserts) {
    return missing(
      `${watched} became a partition after it was watched, so rows inserted through its parent are not seen: watch it again under this name, and backfill`,
    );
  }
  if (row.text_is_virtual) {
    return missing(
      `${row.text_expression} of ${watched} became a virtual generated column, whose value triggers do not see, so changes are not queued: make it stored, or watch its expression in its place, and backfill`,
    );
  }
  if (row.role_without_queue === null) return undefined;
  return missing(
    `its trigger functions belong to the role ${row.role_without_queue}, which may not write to the queue, so that changes are not queued: \`${invocation("doctor")}\` says what to run; then backfill`,
  );
}

function lostColumn(table: string, column: string): Problem {
  return {
    problem: `${table} has no column ${column} any more: watch it again with the new name (changes are still queued)`,
  };
}

/** What keeps the rows from being named by their keys, or by their tenants. */
function lostKey(row: SourceRow, { watched, holder }: Tables): Problem | undefined {
  const lost = row.key.find((column) => column.type === null);
  if (lost !== undefined) return lostColumn(watched, lost.name);
  if (row.lacks_tenant && row.tenant_column !== null) return lostColumn(watched, row.tenant_column);
  if (row.key_index === null) {
    const columns = row.key.map(({ name }) => name).join(", ");
    return {
      problem: `the key (${columns}) of ${watched} is not unique and not null any more: give it back its primary key, or its unique index and a NOT NULL that is validated, or watch the table again by another key, and backfill (changes are still queued)`,
    };
  }
  const apart = row.key.find((column) => !column.in_vector_table);
  if (apart === undefined) return undefined;
  return {
    problem: `the key column ${apart.name} of ${watched} is not in ${holder}, or has another type there: give it the same name and type in both (changes are still queued)`,
  };
}

function hiddenRows({ hidden_by_row_security: table }: SourceRow): Problem | undefined {
  if (table === null) return undefined;
  return {
    problem: `row-level security hides rows of ${table} from this role: give it a policy "using (true)", or BYPASSRLS`,
  };
}

function refusedWrites(
  { rule, lacks_identity: lacksIdentity }: SourceRow,
  { holder }: Tables,
): Problem | undefined {
  if (rule !== null) {
    return {
      problem: `Postgres cannot write vectors because of the rule ${rule}: drop it, and put a trigger in its place (changes are still queued)`,
    };
  }
  return lacksIdentity ? { problem: `${withoutIdentity(holder)} (changes are still queued)` } : undefined;
}

function sourceOf(row: SourceRow, tables: Tables): Source | ChunkedSource | Problem {
  const { schema, table, vectorTable, watched, holder } = tables;
  const { vector_type: vectorType } = row;
  if (vectorType === null) return lostColumn(holder, row.vector_column);
  if (vectorType !== "vector" && vectorType !== "halfvec")
    return { problem: `column ${row.vector_column} is ${vectorType}, neither vector nor halfvec` };
  const source: Source = {
    id: row.id,
    name: row.name,
    oid: row.oid,
    schema,
    table,
    key: row.key.map(({ name, type, operators }): KeyColumn => ({ name, type: type ?? "", operators })),
    ...(row.key_index !== null && { keyIndex: row.key_index }),
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
    return {
      problem: `its chunks in ${holder} are no longer embedded: watch ${watched} again with --into and --chunk`,
    };
  }
  return { ...source, vectorTable, chunkSettings: row.passages, embeddedBy: row.embedded_by };
}
