import { sql, type RawBuilder } from "kysely";
import { restorePlannerSettings } from "../database/kept-plan.ts";
import type { Database } from "../database/connect.ts";
import { numbersParameter, textsParameter } from "../database/array-parameter.ts";
import { isCached, lenders } from "../ledger/ledger-sql.ts";
import type { Lending } from "../ledger/lending.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import { hasText, isUnchanged, keyMatches, textHash, watchedRows } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import { preparedPerSource } from "./prepared-per-source.ts";
import { isDue, isOpen } from "./row-state.ts";

/**
 * What a claimed row needs next.
 * - `new`: its text is to be embedded, and is reserved: no other claim gets it as new until the reservation is dropped
 *   (see `dropReservations`).
 * - `in_progress`: its text is being embedded already, by this process or another.
 * - `cached`: another row, or the cache, has the vector of its text.
 * - `blank`: it has no text. `deleted`: the row is gone. `unreadable`: its text cannot be computed.
 */
export type ClaimState = "new" | "in_progress" | "cached" | "blank" | "deleted" | "unreadable";

export interface ClaimedRow {
  /** Fresh at every enqueue; a bigint as text. */
  readonly ticket: string;
  /** Of the queue row, right after the claim: a row that is still there has not been changed since. */
  readonly ctid: string;
  readonly key: string;
  readonly state: ClaimState;
  readonly attempts: number;
  /** Milliseconds since the change was made, by the server's clock. */
  readonly age_ms: number;
  /** sha256 of the text in hex; null where there is no text. */
  readonly text_hash: string | null;
  /** Only of a `new` row, cut to `maxCharacters`: the text of a cache hit never leaves the database. */
  readonly text: string | null;
  /** The text is longer than `maxCharacters`. */
  readonly too_long: boolean;
  /** Milliseconds since the text of an `in_progress` row was reserved, by the server's clock. */
  readonly in_progress_ms: number | null;
  /** The SQLSTATE that the text expression of an `unreadable` row raises. */
  readonly fault: string | null;
}

export interface ClaimRange {
  /** embedding_listener.id */
  readonly owner: number;
  readonly limit: number;
  /** The oldest rows are taken above `head`; rows above `tail` came since the last claim and go first. */
  readonly head: bigint;
  readonly tail: bigint;
}

export interface ClaimOptions extends ClaimRange {
  readonly lending: Lending;
  readonly maxCharacters: number;
}

/**
 * Claims a batch: what came since the last claim first, so that a single change does not wait behind a backfill, then the
 * oldest. One statement, committed at once: no lock outlives it. Skips every row that another transaction holds.
 *
 * Claims nothing for an owner that is no longer registered (see `freeClaims`), nor for a source that was changed since it
 * was read.
 *
 * Both arms walk the index from a cursor. Without one, each claim reads again the index entries of rows that are dequeued
 * already: 3 to 5 times slower by the end of a million.
 */
export async function claim(db: Database, source: Source, options: ClaimOptions): Promise<ClaimedRow[]> {
  const { owner, limit, head, tail, lending, maxCharacters } = options;
  const { fingerprint, lenderIds, cacheNames } = lending.model;
  return await withPerRowFallback(source, (source) =>
    statement(db, source, [
      owner,
      limit,
      head,
      tail,
      fingerprint,
      maxCharacters,
      numbersParameter(lenderIds),
      numbersParameter(lending.sources().map(({ id }) => id)),
      textsParameter(cacheNames),
    ]),
  );
}

const statement = preparedPerSource<ClaimedRow>((source) => {
  // The number of bytes is stored; characters are counted one by one, which takes 5 us per row.
  const hash = sql`h.text_hash`;
  const isShort = sql`octet_length(t.content) <= $6`;
  return sql`
    with ${claimedTickets(source)}, classified as materialized (
      select c.ticket, c.ctid, c.key, c.attempts, c.queued_at, h.text_hash,
        case when t.ctid is null then 'deleted' when t.fault is not null then 'unreadable' when not ${hasText("t")} then 'blank'
          when e.is_cached then 'cached' else 'new' end as state,
        case when e.is_cached is null then case when ${isShort} then t.content else left(t.content, $6) end end as text,
        coalesce(not ${isShort} and char_length(t.content) > $6, false) as too_long, t.fault
      from claimed c
      left join ${watchedRows(source)} t on ${keyMatches(source, "t", "c")}
      left join lateral (select ${textHash("t")} as text_hash offset 0) h on true
      left join lateral (
        select true as is_cached
        where exists (select from ${lenders(hash, sql`$7::int[]`, sql`$8::int[]`)}) or ${isCached(hash, sql`$9::text[]`)} offset 0
      ) e on true
    ), reserved as materialized (
      select r.text_hash, case r.state when 'taken' then 'in_progress' else r.state end as state, r.since_ms
      from (select array_agg(text_hash) as hashes, array_agg(ticket) as tickets from classified where state = 'new') n,
        autoembed.reserve_texts($5, n.hashes, n.tickets, $1, $7, $8, $9) r
    )
    select c.ticket, c.ctid, c.key, c.attempts, encode(c.text_hash, 'hex') as text_hash, c.too_long, c.fault,
      coalesce(r.state, c.state) as state, r.since_ms as in_progress_ms,
      (extract(epoch from clock_timestamp() - c.queued_at) * 1000)::float8 as age_ms,
      case when coalesce(r.state, c.state) = 'new' then c.text end as text
    from classified c left join reserved r on c.state = 'new' and r.text_hash = c.text_hash
    order by c.ticket`;
});

/**
 * The CTEs of a claim, over `$1` owner, `$2` limit, `$3` head and `$4` tail; `claimed` has the ticket, ctid, key, attempts
 * and queued_at of what is claimed.
 */
export function claimedTickets(source: Source): RawBuilder<unknown> {
  const due = sql`q.source_id = ${sql.lit(source.id)} and ${isDue()}`;
  return sql`registered as materialized (
      select id from autoembed.embedding_listener where id = $1 and ${restorePlannerSettings} and ${isUnchanged(source)} for key share
    ), fresh as materialized (
      select q.ctid, q.ticket from autoembed.embedding_queue q
      where exists (select from registered) and ${due} and q.ticket > $4
      order by q.ticket limit $2 for update skip locked
    ), oldest as materialized (
      select q.ctid, q.ticket from autoembed.embedding_queue q
      where exists (select from registered) and ${due} and q.ticket > $3 and q.ticket <= $4
      order by q.ticket limit $2 for update skip locked
    ), claimed as (
      update autoembed.embedding_queue set owner = $1
      where ctid = any(array((select ctid from fresh) union all (select ctid from oldest) limit $2))
      returning ticket, ctid, key, attempts, queued_at
    )`;
}

/** The newest ticket of a source: rows that come later are fresh. */
export async function newestTicket(db: Database, source: Source): Promise<bigint> {
  const { rows } = await sql<{ ticket: string | null }>`
    select max(q.ticket) as ticket from autoembed.embedding_queue q where q.source_id = ${source.id} and ${isOpen()}`.execute(
    db,
  );
  return BigInt(rows[0]?.ticket ?? 0);
}
