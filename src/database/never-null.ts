import { sql, type RawBuilder } from "kysely";

/**
 * Whether the column `alias` of `pg_attribute` holds no null: it is NOT NULL, by a constraint that is validated. Since
 * Postgres 18 `attnotnull` is true of `not null … not valid` too, which old rows may break.
 */
export function neverNull(alias: string): RawBuilder<boolean> {
  const of = (column: string): RawBuilder<unknown> => sql.ref(`${alias}.${column}`);
  return sql<boolean>`(${of("attnotnull")} and not exists (
        select from pg_constraint u
        where u.conrelid = ${of("attrelid")} and u.contype = 'n' and u.conkey = array[${of("attnum")}] and not u.convalidated))`;
}
