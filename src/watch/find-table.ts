import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { roleSearchPath } from "../database/session-settings.ts";
import { SetupError } from "../errors.ts";
import { nearestName } from "../nearest-name.ts";

export interface FoundTable {
  /** A number as text, to be cast to `oid`. */
  readonly oid: string;
  readonly schema: string;
  readonly table: string;
}

interface Candidate extends FoundTable {
  readonly visible: boolean;
}

/**
 * Finds a table by its name: as SQL writes it (`tickets`, `public.tickets`, `"Support"."Tickets"`), or by its exact
 * spelling without the quotes, which shells tend to remove.
 * @throws {SetupError} if there is no such table; the error names a close match, if there is one.
 */
export async function findTable(db: Database, name: string): Promise<FoundTable> {
  const { rows } = await sql<Candidate>`
    select c.oid::text, n.nspname as schema, c.relname as table, case when (select ${roleSearchPath}) is not null then pg_table_is_visible(c.oid) end as visible
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname <> 'information_schema' and n.nspname !~ '^pg_toast'
    order by c.relname`.execute(db);
  const [schema, table] = nameParts(name);
  const found =
    rows.find((row) => row.table === table && (schema === undefined ? row.visible : row.schema === schema)) ??
    rows.find((row) => `${row.schema}.${row.table}` === name || (row.table === name && row.visible));
  if (found !== undefined) return found;
  const others = rows.filter((row) => !["pg_catalog", "autoembed"].includes(row.schema));
  const namesakes = others.filter((row) => row.table === table || row.table === name).map(nameOf);
  const nearest = nearestName(schema === undefined ? `public.${name}` : name, others.map(nameOf));
  const meant =
    schema === undefined ? (alternatives(namesakes) ?? nearest) : (nearest ?? alternatives(namesakes));
  throw new SetupError(
    `There is no table ${name}.`,
    `${meant === undefined ? "" : `Did you mean ${meant}? `}Write schema.table; a name that is not in the search path needs its schema.`,
  );
}

function nameOf({ schema, table }: FoundTable): string {
  return `${schema}.${table}`;
}

/** A table of the same name may be in the schema of each tenant. */
function alternatives(names: readonly string[]): string | undefined {
  return names.length === 0 ? undefined : names.slice(0, 3).join(" or ");
}

/** Schema and table as Postgres reads an SQL name: unquoted parts become lower case. */
export function nameParts(name: string): [schema: string | undefined, table: string | undefined] {
  const parts = [...name.matchAll(/"((?:[^"]|"")*)"|([^."]+)/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain?.trim().toLowerCase(),
  );
  return parts.length > 1 ? [parts[0], parts[1]] : [undefined, parts[0]];
}
