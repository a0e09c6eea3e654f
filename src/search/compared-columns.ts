import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { operatorsOf } from "../sources/read-sources.ts";
import type { KeyColumn, Source } from "../sources/source.ts";

/** A column of the watched table. Its type's own operators are named: `citext` in another schema is else compared as `text`. */
export interface ComparedColumn extends KeyColumn {
  /** How its values are given: as one, as a list of elements, or as JSON. The type `json` cannot be compared. */
  readonly form: "one" | "array" | "jsonb" | "json";
  /** The type that the column and a value have to be given, where Postgres finds no operator for them; otherwise null. */
  readonly cast: string | null;
  /** Postgres writes its values in JSON as people read them; a driver makes dates of ours, buffers, or the text of a list of them. */
  readonly isBestByPostgres: boolean;
}

export type Columns = ReadonlyMap<string, ComparedColumn>;

/** The columns of the watched table, for filters. Of a domain, also one over another domain, it counts what it is made of. */
export async function comparedColumns(db: Database, { oid }: Source): Promise<Columns> {
  const { rows } = await sql<ComparedColumn>`
    select a.attname as name, format_type(a.atttypid, a.atttypmod) as type, ${operatorsOf} as operators,
      case when b.typcategory = 'A' then 'array' when b.oid = 'jsonb'::regtype then 'jsonb'
        when b.oid = 'json'::regtype then 'json' else 'one' end as form,
      -- Postgres gives no such type to a value that has none.
      case when b.typtype = 'c' or (b.typtype = 'e' and b.oid <> a.atttypid) then format_type(b.oid, -1) end as cast,
      e.typcategory in ('D', 'T') or e.oid = 'bytea'::regtype or (e.typcategory = 'E' and e.oid <> b.oid) as "isBestByPostgres"
    from pg_attribute a cross join lateral (
      with recursive made (oid) as (
        select a.atttypid union all
        select y.typbasetype from made join pg_type y on y.oid = made.oid where y.typtype = 'd')
      select y.* from made join pg_type y on y.oid = made.oid where y.typtype <> 'd') b
    join pg_type e on e.oid = case when b.typcategory = 'A' then b.typelem else b.oid end
    where a.attrelid = ${oid}::int8::oid and a.attnum > 0 and not a.attisdropped`.execute(db);
  return new Map(rows.map((column) => [column.name, column]));
}
