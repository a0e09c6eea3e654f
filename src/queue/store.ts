import { sql, type RawBuilder } from "kysely";
import type { Source } from "../sources/source.ts";
import { isHeldRow, keysOf, tableOf, vectorTableOf, watchedRows } from "../sources/source-sql.ts";

/*
 * Where vectors are kept in a table of their own, a row of that table may be locked too: a user writes to it, or holds
 * a row that it refers to. The fragments here follow a CTE `held`, the watched rows and queue rows that are locked
 * already, and leave out what would have to be waited for. The watched row is always taken first, as a user does whose
 * delete or change of a key comes down to the vector by its foreign key.
 */

/**
 * The CTE of held rows whose vector can be written at once, and its name. A row that has a vector is locked beside. For
 * the first vector of a row the watched row is locked against `key share` as well: whoever has inserted its vector and
 * not committed holds that by the foreign key, and an insert of the same key would wait for them.
 */
export function writable(source: Source): { readonly name: string; readonly cte: RawBuilder<unknown> } {
  if (source.vectorTable === null) return { name: "held", cte: sql`` };
  const cte = sql`, replaced as materialized (
      select h.ticket from ${vectorTableOf(source)} v join held h on ${isHeldRow(source, "v", "h")}
      for no key update of v skip locked
    ), first as materialized (
      select h.ticket from ${watchedRows(source)} t join held h on ${sameKeys(source, "t", "h")}
      where not exists (select from ${vectorTableOf(source)} v where ${isHeldRow(source, "v", "h")})
      for update of t skip locked
    ), writable as materialized (
      select h.* from held h
      where h.ticket = any(array(select r.ticket from replaced r union all select f.ticket from first f))
    )`;
  return { name: "writable", cte };
}

/**
 * The end of a statement: writes `vector` to the `writable` rows `h`, and returns their tickets. It follows a CTE
 * immediately.
 */
export function store(source: Source, vector: RawBuilder<unknown>): RawBuilder<unknown> {
  const column = sql.id(source.vectorColumn);
  if (source.vectorTable === null) {
    return sql`update ${tableOf(source)} w set ${column} = ${vector} from held h
    where ${isHeldRow(source, "w", "h")} returning h.ticket`;
  }
  const keys = sql.join(source.key.map(({ name }) => sql.id(name)));
  return sql`, stored as (
      insert into ${vectorTableOf(source)} (${keys}, ${column}) select ${keysOf(source, "h")}, ${vector} from writable h
      on conflict (${keys}) do update set ${column} = excluded.${column}
    )
    select h.ticket from writable h`;
}

/**
 * The CTEs that take the vector from the rows of `held`, and the name of the one that tells which: a row of the table of
 * vectors goes with its vector, unless something else is kept in it, such as another source's vector.
 */
export function cleared(source: Source): { readonly name: string; readonly cte: RawBuilder<unknown> } {
  const column = sql.id(source.vectorColumn);
  const table = vectorTableOf(source);
  if (source.vectorTable === null) {
    return {
      name: "held",
      cte: sql`, cleared as (
      update ${table} w set ${column} = null
      from held h where ${isHeldRow(source, "w", "h")} and w.${column} is not null
    )`,
    };
  }
  const own = sql.join(
    [...source.key.map(({ name }) => name), source.vectorColumn].map((name) => sql.lit(name)),
  );
  const hasMore = sql`jsonb_strip_nulls(to_jsonb(w) - array[${own}]) <> '{}'`;
  const cte = sql`, replaced as materialized (
      select h.ticket from ${table} v join held h on ${isHeldRow(source, "v", "h")} for update of v skip locked
    ), free as materialized (
      select h.* from held h where h.ticket = any(array(select r.ticket from replaced r))
        or not exists (select from ${table} v where ${isHeldRow(source, "v", "h")})
    ), emptied as (
      update ${table} w set ${column} = null
      from free h where ${isHeldRow(source, "w", "h")} and w.${column} is not null and ${hasMore}
    ), removed as (
      delete from ${table} w using free h where ${isHeldRow(source, "w", "h")} and not ${hasMore}
    )`;
  return { name: "free", cte };
}

function sameKeys(source: Source, a: string, b: string): RawBuilder<unknown> {
  return sql.join(
    source.key.map((_, i) => sql`${sql.ref(`${a}.k${i}`)} = ${sql.ref(`${b}.k${i}`)}`),
    sql` and `,
  );
}
