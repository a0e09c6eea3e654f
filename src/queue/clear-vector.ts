import { sql, type RawBuilder } from "kysely";
import { ctidsParameter, numbersParameter, textsParameter } from "../database/array-parameter.ts";
import type { Database } from "../database/connect.ts";
import { restoreFormats } from "../database/session-settings.ts";
import { cacheFormer, removeFromLedger } from "../ledger/ledger-ctes.ts";
import { hasText, isHeldRow, isUnchanged, keysOf, queueKey, vectorTableOf } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import { forEachKind, heldRows, lockHeld, type ClaimKind, type HeldRow } from "./held-rows.ts";
import { dequeue, isLeaving, type Outcome } from "./vector-ctes.ts";

/** Removes the vectors of rows whose text is null or blank. Skips rows that are locked. @returns the others. */
export async function clearVector(
  db: Database,
  source: Source,
  claimed: readonly HeldRow[],
): Promise<Outcome[]> {
  return await forEachKind(claimed, async (kind, rows) => {
    const given = sql`unnest(${numbersParameter(rows.map(({ ticket }) => ticket))}::bigint[],
        ${ctidsParameter(rows.map(({ ctid }) => ctid))}::tid[],
        ${textsParameter(rows.map(({ key }) => key))}::text[]) as c(ticket, ctid, key)`;
    const { rows: outcomes } = await sql<Outcome>`
    with held as materialized (
      select c.ticket, c.ctid, ${queueKey(source, "t")} as key, t.ctid as row_ctid, ${keysOf(source, "t")}
      from ${heldRows(source, kind, given)}
      where not ${hasText("t")} and ${isUnchanged(source)}
      ${lockHeld(kind)}
    )${source.vectorTable === null ? emptyWatched(source, kind) : emptyOwn(source, kind)}, ${removeFromLedger(source)}${dequeue("free")}`.execute(
      db,
    );
    return outcomes;
  });
}

/**
 * The CTEs `free`, the rows that can be cleared now, and `written`, those that are: whose vectors are removed, or that had
 * none. `held` has the watched rows' ctid as `row_ctid`.
 *
 * A row that was changed between the statement's snapshot and its lock is skipped too: what is read of it here would be its
 * former version, and if another source has removed its own vector from it, that looks like a table that did not keep the
 * write.
 */
function emptyWatched(source: Source, kind: ClaimKind): RawBuilder<unknown> {
  const column = sql.id(source.vectorColumn);
  const table = vectorTableOf(source);
  return sql`, free as materialized (
      select h.* from held h
      where exists (select from ${table} v where ${isHeldRow(source, "v", "h")} and v.ctid = h.row_ctid)
    )${cacheFormer(source, "free", sql`true`, isLeaving(source, kind))}, cleared as (
      update ${table} w set ${column} = null
      from free h where ${isHeldRow(source, "w", "h")} and w.${column} is not null and ${restoreFormats("free")}
      returning h.ticket, w.${column} is null as is_clear
    ), ${written(source, sql`w.${column} is not null`, sql`select c.ticket from cleared c where c.is_clear`)}`;
}

/** A row of the vectors' own table is deleted, unless it holds something else, such as another source's vector. */
function emptyOwn(source: Source, kind: ClaimKind): RawBuilder<unknown> {
  const column = sql.id(source.vectorColumn);
  const table = vectorTableOf(source);
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
    )${cacheFormer(source, "free", sql`true`, isLeaving(source, kind))}, emptied as (
      update ${table} w set ${column} = null
      from free h where ${isHeldRow(source, "w", "h")} and w.${column} is not null and ${hasMore}
        and ${restoreFormats("free")}
      returning h.ticket, w.${column} is null as is_clear
    ), removed as (
      delete from ${table} w using free h
      where ${isHeldRow(source, "w", "h")} and not ${hasMore} and ${restoreFormats("free")} returning h.ticket
    ), ${written(source, sql`(w.${column} is not null or not ${hasMore})`, cleared)}`;
}

/** Of the CTE `free`, the rows that have nothing `toClear`, and those that were `cleared`. */
function written(
  source: Source,
  toClear: RawBuilder<unknown>,
  cleared: RawBuilder<unknown>,
): RawBuilder<unknown> {
  return sql`written as materialized (
      select h.ticket, h.ctid, h.key from free h where h.ticket in (${cleared})
        or not exists (select from ${vectorTableOf(source)} w where ${isHeldRow(source, "w", "h")} and ${toClear})
    )`;
}
