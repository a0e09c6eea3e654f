import { sql, type RawBuilder } from "kysely";
import { restorePlannerSettings } from "../database/kept-plan.ts";
import type { Database } from "../database/connect.ts";
import type { Source } from "../sources/source.ts";
import { preparedPerSource } from "./prepared-per-source.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import { hasText, isUnchanged, keyMatches, textHash, watchedRows } from "../sources/source-sql.ts";

/** No row is put off for longer, by whomever. */
const LONGEST_DELAY_MS = 60_000;

/**
 * What a claimed row needs next. The text of a `new` row is reserved: nobody else embeds it until the reservation is
 * dropped (see `dropReservations`). That of a `taken` row is being embedded already, by this process or another. That of an
 * `unreadable` row cannot be computed.
 */
export type ClaimState = "new" | "taken" | "cached" | "blank" | "gone" | "unreadable";

export interface ClaimedRow {
  /** Fresh at every enqueue; a bigint as text. */
  readonly ticket: string;
  /** Where the queue's row is since it was claimed (its `ctid`): whoever changes the row moves it. */
  readonly place: string;
  readonly state: ClaimState;
  readonly attempts: number;
  /** Milliseconds since the change was made, by the server's clock. */
  readonly age_ms: number;
  /** sha256 of the text in hex; null when the row is gone. */
  readonly text_hash: string | null;
  /** Only of a `new` row, cut to `maxCharacters`: the text of a cache hit never leaves the database. */
  readonly text: string | null;
  /** The text is longer than `maxCharacters`. */
  readonly too_long: boolean;
  /** Milliseconds since a `taken` text was reserved, by the server's clock. */
  readonly taken_ms: number | null;
  /** The SQLSTATE that the text expression of an `unreadable` row raises. */
  readonly fault: string | null;
}

export interface ClaimRange {
  /** embedding_listener.id */
  readonly owner: number;
  readonly limit: number;
  /** Oldest rows are taken above `head`; rows above `tail` came since the last look and go first. */
  readonly head: bigint;
  readonly tail: bigint;
}

export interface ClaimOptions extends ClaimRange {
  /** The cache's name of the model. */
  readonly cacheModel: string;
  readonly maxCharacters: number;
}

/**
 * Claims a batch: what came since the last look first, so that a lone change does not wait behind a backfill, then the
 * oldest. One statement, committed at once: no lock outlives it. Skips what anybody holds.
 *
 * Claims nothing for an owner that is not listed any more (see `freeClaims`), nor for a source that was changed since it
 * was read.
 *
 * Both arms walk the index from a cursor; without one, dead entries pile up in front of the claim and it grows 3-5
 * times along a drain of a million.
 */
export async function claim(db: Database, source: Source, options: ClaimOptions): Promise<ClaimedRow[]> {
  return await withPerRowFallback(source, (source) => claimOnce(db, source, options));
}

async function claimOnce(db: Database, source: Source, options: ClaimOptions): Promise<ClaimedRow[]> {
  const { owner, limit, head, tail, cacheModel, maxCharacters } = options;
  return await statement(db, source, [owner, limit, head, tail, cacheModel, maxCharacters]);
}

const statement = preparedPerSource<ClaimedRow>((source) => {
  // Bytes are known at once; characters are counted one by one, for 5 us a row.
  const isShort = sql`octet_length(t.content) <= $6`;
  return sql`
    with ${claimedTickets(source)}, looked as materialized (
      select c.ticket, c.place, c.attempts, c.queued_at, h.text_hash,
        case when t.place is null then 'gone' when t.fault is not null then 'unreadable' when not ${hasText("t")} then 'blank'
          when e.is_cached then 'cached' else 'new' end as state,
        case when e.is_cached is null then case when ${isShort} then t.content else left(t.content, $6) end end as text,
        coalesce(not ${isShort} and char_length(t.content) > $6, false) as too_long, t.fault
      from claimed c
      left join ${watchedRows(source)} t on ${keyMatches(source, "t", "c")}
      left join lateral (select ${textHash("t")} as text_hash offset 0) h on true
      left join lateral (
        select true as is_cached from autoembed.embedding_cache e where e.model = $5 and e.text_hash = h.text_hash offset 0
      ) e on true
    ), reserved as materialized (
      select r.* from (select array_agg(text_hash) as hashes, array_agg(ticket) as tickets from looked where state = 'new') n,
        autoembed.reserve_texts($5, n.hashes, n.tickets, $1) r
    )
    select l.ticket, l.place, l.attempts, encode(l.text_hash, 'hex') as text_hash, l.too_long, l.fault,
      coalesce(r.state, l.state) as state, r.since_ms as taken_ms,
      (extract(epoch from clock_timestamp() - l.queued_at) * 1000)::float8 as age_ms,
      case when coalesce(r.state, l.state) = 'new' then l.text end as text
    from looked l left join reserved r on l.state = 'new' and r.text_hash = l.text_hash
    order by l.ticket`;
});

/**
 * The CTEs of a claim, over `$1` owner, `$2` limit, `$3` head and `$4` tail; `claimed` has the ticket, place, key, attempts
 * and queued_at of what is claimed.
 */
export function claimedTickets(source: Source): RawBuilder<unknown> {
  const id = sql.lit(source.id);
  // Put off for longer than anything is ever put off: the server's clock was set back, and the row is due.
  const due = sql`not_before <= now() or not_before > now() + ${sql.lit(LONGEST_DELAY_MS)} * interval '1 millisecond'`;
  const pending = sql`source_id = ${id} and failed_at is null and owner is null and (${due})`;
  return sql`listed as materialized (
      select id from autoembed.embedding_listener where id = $1 and ${restorePlannerSettings} and ${isUnchanged(source)} for key share
    ), fresh as materialized (
      select ctid as place, ticket from autoembed.embedding_queue where exists (select from listed) and ${pending} and ticket > $4
      order by ticket limit $2 for update skip locked
    ), oldest as materialized (
      select ctid as place, ticket from autoembed.embedding_queue
      where exists (select from listed) and ${pending} and ticket > $3 and ticket <= $4
      order by ticket limit $2 for update skip locked
    ), claimed as (
      update autoembed.embedding_queue set owner = $1
      where ctid = any(array((select place from fresh) union all (select place from oldest) limit $2))
      returning ticket, ctid as place, key, attempts, queued_at
    )`;
}

/** The newest ticket of a source: from here on, what comes is fresh. */
export async function newestTicket(db: Database, source: Source): Promise<bigint> {
  const { rows } = await sql<{ ticket: string | null }>`
    select max(ticket) as ticket from autoembed.embedding_queue where source_id = ${source.id} and failed_at is null`.execute(
    db,
  );
  return BigInt(rows[0]?.ticket ?? 0);
}
