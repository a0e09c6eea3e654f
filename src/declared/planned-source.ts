import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { findPgvector } from "../database/pgvector.ts";
import type { KeyColumn, Source } from "../sources/source.ts";
import { findVectorColumn, vectorTypeFor } from "../watch/vector-column.ts";
import { refuseAnother } from "../watch/planned-column.ts";
import type { WantedSource } from "./wanted-source.ts";

/** No row of the queue or of the ledger is of this source. */
const NO_SOURCE = 0;

/**
 * A declared source as it will be, for an estimate of what it will take.
 * @throws {SetupError} if its column exists, and is not as it is declared
 */
export async function plannedSource(db: Database, wanted: WantedSource): Promise<Source> {
  const { declared, table, into, overrides } = wanted;
  const column = into === null ? await findVectorColumn(db, table, wanted.vector) : undefined;
  if (column !== undefined) await refuseAnother(db, column, table, declared);
  const columnDimensions = column?.dimensions ?? overrides.dimensions;
  const { rows } = await sql<{ key: KeyColumn[]; text_is_column: boolean }>`
    select jsonb_agg(jsonb_build_object('name', k.name, 'type', format_type(a.atttypid, -1), 'operators', 'pg_catalog')
        order by k.n) as key,
      exists (select from pg_attribute x where x.attrelid = ${table.oid}::oid
        and quote_ident(x.attname) = ${wanted.text}) as text_is_column
    from unnest(${wanted.key}::text[]) with ordinality k(name, n)
    join pg_attribute a on a.attrelid = ${table.oid}::oid and a.attname = k.name`.execute(db);
  return {
    id: NO_SOURCE,
    name: wanted.name,
    oid: Number(table.oid),
    schema: table.schema,
    table: table.table,
    key: rows[0]?.key ?? [],
    hasSingleKeyLookup: false,
    textExpression: wanted.text,
    tenantColumn: wanted.tenant,
    hasTenants: wanted.tenant !== null,
    textIsColumn: rows[0]?.text_is_column ?? false,
    vectorColumn: wanted.vector,
    vectorTable: null,
    vectorType: column?.type ?? declared.type ?? vectorTypeFor(columnDimensions ?? 1),
    vectorSchema: (await findPgvector(db)).schema,
    columnDimensions,
    ...overrides,
    paused: false,
    ...(column === undefined ? { hasNoVectors: true as const } : {}),
  };
}
