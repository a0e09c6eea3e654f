import { sql, type RawBuilder } from "kysely";
import { restoreFormats } from "../database/session-settings.ts";
import { cacheFormer, recordInLedger } from "../ledger/ledger-ctes.ts";
import { NO_HASH, vectorHash } from "../ledger/ledger-sql.ts";
import type { Source } from "../sources/source.ts";
import type { ClaimKind } from "./held-rows.ts";
import { isOpenByLookup } from "./is-queued.ts";
import { isHeldRow, isSameRow, isSameVector, keysOf, tableOf, vectorTableOf } from "../sources/source-sql.ts";

/*
 * Fragments that follow a CTE `held`: the watched rows and queue rows that are locked already, with the `ticket`, the
 * `ctid` and the `key` of the queue rows. They lock in this order: watched row, queue row, vector row, ledger row; and skip
 * every row that they would have to wait for. The watched row comes first, as in a user's delete or change of a key, which
 * reaches the vector through its foreign key. A ledger row is written by whoever holds its watched row; one statement that
 * holds nothing else, `forgetOverwritten`, writes to it too.
 *
 * Where vectors are kept in a table of their own, a row of that table may be locked by a user who writes to it, or who
 * holds a row that it refers to.
 */

/**
 * The CTE `writable`: the held rows whose vector can be written without waiting. Where vectors are in a table of their own,
 * the row of an existing vector is locked too. For the first vector of a row the watched row is locked against `key share`
 * as well: a transaction that has inserted the vector and not committed holds that lock by the foreign key, and our insert
 * of the same key would wait for it.
 */
export function writableCte(source: Source): RawBuilder<unknown> {
  if (source.vectorTable === null) return sql``;
  // Keys only, behind `offset 0`: Postgres copies, and keeps, every column of what is joined with a row that it locks.
  const keys = sql`(select h.ticket, ${keysOf(source, "h")} from held h offset 0) h`;
  return sql`, replaced as materialized (
      select h.ticket from ${vectorTableOf(source)} v join ${keys} on ${isHeldRow(source, "v", "h")}
      for no key update of v skip locked
    ), first as materialized (
      select h.ticket from ${tableOf(source)} t join ${keys} on ${isHeldRow(source, "t", "h")}
      where not exists (select from ${vectorTableOf(source)} v where ${isHeldRow(source, "v", "h")} offset 0)
      for update of t skip locked
    ), writable as materialized (
      select h.* from held h
      where h.ticket = any(array(select r.ticket from replaced r union all select f.ticket from first f))
    )`;
}

/**
 * For `cacheFormer`: the row of the entry `o` is queued too, perhaps as the text of both has changed. What a page's row loses
 * all others of its source may be losing, to another model: its vector is cached, and removed again if some row keeps it.
 */
export function isLeaving({ id }: Source, kind: ClaimKind): RawBuilder<boolean> {
  const isQueued = isOpenByLookup("o");
  return kind === "paged" ? sql`(o.source_id = ${sql.lit(id)} or ${isQueued})` : isQueued;
}

/** A row that was held, and whether its vector is as it should be now, so that it is dequeued. */
export interface Outcome {
  readonly ticket: string;
  /** False where the table took the write and did not keep it: a user trigger returned null, or set another vector. */
  readonly written: boolean;
}

interface NewVector {
  /** Over a row `h` of `held`, which has the `text_hash` of the text that it was made of. */
  readonly vector: RawBuilder<unknown>;
  /** Of the vector as it is stored, over `h`; undefined, or null of a row, where it is to be computed. */
  readonly hash: RawBuilder<unknown> | undefined;
  /** `embedding_model.id` */
  readonly modelId: RawBuilder<unknown>;
}

/**
 * The CTEs that write the vectors of the `writable` rows: `written` has those that are stored then, which are in the
 * ledger with them. The vector that a row had for a former text goes into the cache. They follow a CTE immediately, and
 * `dequeueWritten` ends the statement.
 *
 * Where a user trigger may change what is written, the stored vector is compared with it: a trigger that restores the old
 * vector would make it pass for the new text's. To compare always would cost a sixth of Postgres's time per row. In the
 * update of the watched table `vector` appears once: planned with its value, a parameter of a megabyte is copied some five
 * times per appearance. Nor does it stand there beside the vector that was lent: Postgres fetches every column of what a
 * table is updated from, and keeps a copy.
 */
export function writeVectorCtes(
  source: Source,
  kind: ClaimKind,
  { vector, hash, modelId }: NewVector,
): RawBuilder<unknown> {
  const held = source.vectorTable === null ? "held" : "writable";
  const isFormer = sql`(l.text_hash <> h.text_hash or l.model_id <> ${modelId})`;
  const stored =
    source.vectorTable === null ? updateWatched(source, vector, hash) : upsertOwn(source, vector, hash);
  return sql`${cacheFormer(source, held, isFormer, isLeaving(source, kind))}, ${stored}, ${recordInLedger(source, modelId)}`;
}

function updateWatched(
  source: Source,
  vector: RawBuilder<unknown>,
  hash: NewVector["hash"] = NO_HASH,
): RawBuilder<unknown> {
  const column = sql.id(source.vectorColumn);
  const stored = sql`w.${column}`;
  return sql`stored as (
      update ${tableOf(source)} w set ${column} = h.vector from (
        select h.ticket, h.ctid, h.key, h.text_hash, ${keysOf(source, "h")}, ${hash} as vector_hash, ${vector} as vector
        from held h where ${restoreFormats("held")} offset 0) h
      where ${isHeldRow(source, "w", "h")} returning h.ticket, h.ctid, h.key, h.text_hash,
        coalesce(h.vector_hash, ${vectorHash(source, stored)}) as vector_hash,
        ${stored} is not null and (not ${mayAlter(source)} or ${isSameVector(source, stored, sql`h.vector`)}) as is_stored
    ), written as materialized (select s.* from stored s where s.is_stored)`;
}

/** Of a row that is inserted nothing of `h` can be returned, so that a `hash` that may be null cannot be given. */
function upsertOwn(
  source: Source,
  vector: RawBuilder<unknown>,
  hash: NewVector["hash"],
): RawBuilder<unknown> {
  const column = sql.id(source.vectorColumn);
  const stored = sql`w.${column}`;
  const keys = sql.join(source.key.map(({ name }) => sql.id(name)));
  const named = sql.join(source.key.map(({ name }, i) => sql`w.${sql.id(name)} as ${sql.id(`k${i}`)}`));
  return sql`stored as (
      insert into ${vectorTableOf(source)} as w (${keys}, ${column}) select ${keysOf(source, "h")}, ${vector} from writable h
      where ${restoreFormats("writable")}
      on conflict (${keys}) do update set ${column} = excluded.${column}
      returning ${named}, ${stored} is not null as has_vector, ${hash === undefined ? vectorHash(source, stored) : NO_HASH} as vector_hash,
        case when ${mayAlter(source)} then ${stored} end as vector
    ), written as materialized (
      select h.ticket, h.ctid, h.key, h.text_hash, ${hash ?? sql`s.vector_hash`} as vector_hash
      from writable h join stored s on ${isSameRow(source, "s", "h")}
      where s.has_vector and (not ${mayAlter(source)} or ${isSameVector(source, sql`s.vector`, vector)})
    )`;
}

/** Whether a user trigger may have written something else; looked up once per statement. */
function mayAlter(source: Source): RawBuilder<unknown> {
  return sql`(select autoembed.may_alter(${sql.lit((source.vectorTable ?? source).oid)}::oid))`;
}

/**
 * The end of a statement: dequeues the rows of the CTE `written`, and returns the `Outcome` of every row of `held`. A row
 * that did not get its vector stays in the queue.
 */
export function dequeueWritten(source: Source): RawBuilder<unknown> {
  return dequeue(source.vectorTable === null ? "held" : "writable");
}

/**
 * The same for the rows of another CTE. They are locked, so their ctid stands; that of a page's row is null. A row that is
 * queued under two spellings of its key is written once: the other has no outcome, as if it had been locked.
 */
export function dequeue(held: string): RawBuilder<unknown> {
  return sql`, dequeued as (
      delete from autoembed.embedding_queue q where q.ctid = any(array(select w.ctid from written w))
    )
    select h.ticket, h.ticket in (select w.ticket from written w) as written from ${sql.id(held)} h
    where h.ticket in (select w.ticket from written w) or h.key not in (select w.key from written w)`;
}
