import { sql, type RawBuilder } from "kysely";
import { restoreFormats } from "../database/session-settings.ts";
import type { Source } from "../sources/source.ts";
import { isHeldRow, isSameRow, isSameVector, keysOf, tableOf, vectorTableOf } from "../sources/source-sql.ts";

/*
 * Where vectors are kept in a table of their own, a row of that table may be locked too: a user writes to it, or holds
 * a row that it refers to. The fragments here follow a CTE `held`, the watched rows and queue rows that are locked
 * already, with the `ticket` and the `ctid` of the queue rows, and skip every row that they would have to wait for. The
 * watched row is always locked first, as in a user's delete or change of a key, which reaches the vector through its
 * foreign key.
 */

/**
 * The CTE `writable`: the held rows whose vector can be written without waiting. Where vectors are in a table of their own,
 * the row of an existing vector is locked too. For the first vector of a row the watched row is locked against `key share`
 * as well: a transaction that has inserted the vector and not committed holds that lock by the foreign key, and our insert
 * of the same key would wait for it.
 */
export function writableCte(source: Source): RawBuilder<unknown> {
  if (source.vectorTable === null) return sql``;
  return sql`, replaced as materialized (
      select h.ticket from ${vectorTableOf(source)} v join held h on ${isHeldRow(source, "v", "h")}
      for no key update of v skip locked
    ), first as materialized (
      select h.ticket from ${tableOf(source)} t join held h on ${isHeldRow(source, "t", "h")}
      where not exists (select from ${vectorTableOf(source)} v where ${isHeldRow(source, "v", "h")} offset 0)
      for update of t skip locked
    ), writable as materialized (
      select h.* from held h
      where h.ticket = any(array(select r.ticket from replaced r union all select f.ticket from first f))
    )`;
}

/** A row that was held, and whether its vector is as it should be now, so that it is dequeued. */
export interface Outcome {
  readonly ticket: string;
  /** False where the table took the write and did not keep it: a user trigger returned null, or set another vector. */
  readonly written: boolean;
}

/**
 * The end of a statement: writes `vector` to the `writable` rows `h`, dequeues those that have it then, and returns an
 * `Outcome` for each. It follows a CTE immediately.
 *
 * Where a user trigger may change what is written, the stored vector is compared with it: a trigger that restores the old
 * vector would make it pass for the new text's. To compare always would cost a sixth of Postgres's time per row. In the
 * update of the watched table `vector` appears once: planned with its value, a parameter of a megabyte is copied some five
 * times per appearance.
 */
export function writeVectorCtes(source: Source, vector: RawBuilder<unknown>): RawBuilder<unknown> {
  const column = sql.id(source.vectorColumn);
  if (source.vectorTable === null) {
    return sql`, stored as (
      update ${tableOf(source)} w set ${column} = h.vector from (select h.*, ${vector} as vector from held h
        where ${restoreFormats("held")} offset 0) h
      where ${isHeldRow(source, "w", "h")} returning h.ticket, h.ctid,
        w.${column} is not null and (not ${mayAlter(source)} or ${isSameVector(source, sql`w.${column}`, sql`h.vector`)}) as is_stored
    ), ${dequeue("held", sql`(select s.ticket, s.ctid from stored s where s.is_stored)`)}`;
  }
  const keys = sql.join(source.key.map(({ name }) => sql.id(name)));
  const named = sql.join(source.key.map(({ name }, i) => sql`w.${sql.id(name)} as ${sql.id(`k${i}`)}`));
  return sql`, stored as (
      insert into ${vectorTableOf(source)} as w (${keys}, ${column}) select ${keysOf(source, "h")}, ${vector} from writable h
      where ${restoreFormats("writable")}
      on conflict (${keys}) do update set ${column} = excluded.${column}
      returning ${named}, w.${column} is not null as has_vector, case when ${mayAlter(source)} then w.${column} end as vector
    ), ${dequeue(
      "writable",
      sql`(select h.ticket, h.ctid from writable h join stored s on ${isSameRow(source, "s", "h")} where s.has_vector and (not ${mayAlter(source)} or ${isSameVector(source, sql`s.vector`, vector)}))`,
    )}`;
}

/** Whether a user trigger may have written something else; looked up once per statement. */
function mayAlter(source: Source): RawBuilder<unknown> {
  return sql`(select autoembed.may_alter(${sql.lit((source.vectorTable ?? source).oid)}::oid))`;
}

/**
 * The CTE that dequeues those rows of `held` whose tickets and ctids `written` selects, and the `Outcome` of every one. A row
 * that did not get its vector stays in the queue.
 */
function dequeue(held: string, written: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`written as materialized ${written}, dequeued as (
      delete from autoembed.embedding_queue q where q.ctid = any(array(select w.ctid from written w))
    )
    select h.ticket, h.ticket in (select w.ticket from written w) as written from ${sql.id(held)} h`;
}

/**
 * The end of a statement, as `writeVectorCtes`: removes the vectors of the rows of `held`, which has the watched rows' ctid
 * as `row_ctid`. A row of the vectors' own table is deleted, unless it holds something else, such as another source's
 * vector.
 *
 * A row that was changed between the statement's snapshot and its lock is skipped too: what is read of it here would be its
 * former version, and if another source has removed its own vector from it, that looks like a table that did not keep the
 * write.
 */
export function clearVectorCtes(source: Source): RawBuilder<unknown> {
  const column = sql.id(source.vectorColumn);
  const table = vectorTableOf(source);
  /** Of the CTE `free`, those that have nothing `to clear`, and those that were. */
  const written = (toClear: RawBuilder<unknown>, cleared: RawBuilder<unknown>) =>
    dequeue(
      "free",
      sql`(select h.ticket, h.ctid from free h where h.ticket in (${cleared})
        or not exists (select from ${table} w where ${isHeldRow(source, "w", "h")} and ${toClear}))`,
    );
  if (source.vectorTable === null) {
    return sql`, free as materialized (
      select h.* from held h
      where exists (select from ${table} v where ${isHeldRow(source, "v", "h")} and v.ctid = h.row_ctid)
    ), cleared as (
      update ${table} w set ${column} = null
      from free h where ${isHeldRow(source, "w", "h")} and w.${column} is not null and ${restoreFormats("free")}
      returning h.ticket, w.${column} is null as is_clear
    ), ${written(sql`w.${column} is not null`, sql`select c.ticket from cleared c where c.is_clear`)}`;
  }
  const own = sql.join(
    [...source.key.map(({ name }) => name), source.vectorColumn].map((name) => sql.lit(name)),
  );
  const hasMore = sql`jsonb_strip_nulls(to_jsonb(w) - array[${own}]) <> '{}'`;
  const cleared = sql`select e.ticket from emptied e where e.is_clear union all select r.ticket from removed r`;
  return sql`, replaced as materialized (
      select h.ticket, v.ctid as vector_ctid from ${table} v join held h on ${isHeldRow(source, "v", "h")}
      for update of v skip locked
    ), free as materialized (
      select h.* from held h
      where not exists (
        select from ${table} v
        where ${isHeldRow(source, "v", "h")} and (h.ticket, v.ctid) not in (select r.ticket, r.vector_ctid from replaced r))
    ), emptied as (
      update ${table} w set ${column} = null
      from free h where ${isHeldRow(source, "w", "h")} and w.${column} is not null and ${hasMore}
        and ${restoreFormats("free")}
      returning h.ticket, w.${column} is null as is_clear
    ), removed as (
      delete from ${table} w using free h
      where ${isHeldRow(source, "w", "h")} and not ${hasMore} and ${restoreFormats("free")} returning h.ticket
    ), ${written(sql`(w.${column} is not null or not ${hasMore})`, cleared)}`;
}
