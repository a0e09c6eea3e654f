import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { operatorsOf } from "../sources/read-sources.ts";
import type { Source } from "../sources/source.ts";
import type { ComparedColumn, Columns } from "./comparisons.ts";

/** The columns of the watched table, for filters. */
export async function comparedColumns(db: Database, { oid }: Source): Promise<Columns> {
  const { rows } = await sql<ComparedColumn>`
    select a.attname as name, format_type(a.atttypid, a.atttypmod) as type, ${operatorsOf} as operators,
      case when y.typcategory = 'A' then 'array'
        when coalesce(nullif(y.typbasetype, 0), y.oid) = 'jsonb'::regtype then 'jsonb'
        when coalesce(nullif(y.typbasetype, 0), y.oid) = 'json'::regtype then 'json' else 'one' end as form
    from pg_attribute a join pg_type y on y.oid = a.atttypid
    where a.attrelid = ${oid}::int8::oid and a.attnum > 0 and not a.attisdropped`.execute(db);
  return new Map(rows.map((column) => [column.name, column]));
}
