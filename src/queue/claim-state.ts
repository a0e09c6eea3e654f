import { sql, type RawBuilder } from "kysely";
import { isCached, lenders } from "../ledger/ledger-sql.ts";
import { hasText, textHash } from "../sources/source-sql.ts";

/**
 * What a claimed row needs next.
 * - `new`: its text is to be embedded, and is reserved: no other claim gets it as new until the reservation is dropped
 *   (see `dropReservations`).
 * - `in_progress`: its text is being embedded already, by this process or another.
 * - `cached`: another row, or the cache, has the vector of its text.
 * - `blank`: it has no text. `deleted`: the row is gone. `unreadable`: its text cannot be computed.
 * - `locked`: a user holds the row, so that its vector could not be written. Told of rows of a page alone.
 */
export type ClaimState = "new" | "in_progress" | "cached" | "blank" | "deleted" | "unreadable" | "locked";

export interface ClaimedRow {
  /** Fresh at every enqueue, and of a row of a page whenever it is read; a bigint as text. */
  readonly ticket: string;
  /** Of the queue row, right after the claim: a row that is still there has not been changed since. Null of a row of a page. */
  readonly ctid: string | null;
  readonly key: string;
  readonly state: ClaimState;
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

interface Classification {
  /** The claimed rows with their watched rows `t`. */
  readonly from: RawBuilder<unknown>;
  /** The alias of the ticket, ctid, key and queued_at. */
  readonly claim: string;
  /** Further arms of the `case` that tells the state, before all others. */
  readonly firstState: RawBuilder<unknown>;
  /** embedding_listener.id */
  readonly owner: RawBuilder<unknown>;
  /** What texts are reserved under. */
  readonly fingerprint: RawBuilder<unknown>;
  readonly maxCharacters: RawBuilder<unknown>;
  /** See `Lending`. */
  readonly lenderIds: RawBuilder<unknown>;
  readonly lenderSources: RawBuilder<unknown>;
  readonly cacheNames: RawBuilder<unknown>;
  /** Further columns of the claim, to be returned as they are. */
  readonly also?: readonly string[];
}

/** The end of a claim: tells what each row needs, reserves the texts of those that are `new`, and returns `ClaimedRow`s. */
export function classify(of: Classification): RawBuilder<unknown> {
  const { maxCharacters } = of;
  const claim = (column: string): RawBuilder<unknown> => sql.ref(`${of.claim}.${column}`);
  const hash = sql`h.text_hash`;
  const { also = [] } = of;
  const carried = also.map((column) => sql`, ${claim(column)}`);
  const returned = also.map((column) => sql`, ${sql.ref(`c.${column}`)}`);
  // The number of bytes is stored; characters are counted one by one, which takes 5 us per row.
  const isShort = sql`octet_length(t.content) <= ${maxCharacters}`;
  return sql`classified as materialized (
      select ${claim("ticket")}, ${claim("ctid")}, ${claim("key")}, ${claim("queued_at")}, h.text_hash,
        case ${of.firstState} when t.fault is not null then 'unreadable' when not ${hasText("t")} then 'blank'
          when e.is_cached then 'cached' else 'new' end as state,
        case when e.is_cached is null then case when ${isShort} then t.content else left(t.content, ${maxCharacters}) end end as text,
        coalesce(not ${isShort} and char_length(t.content) > ${maxCharacters}, false) as too_long, t.fault${sql.join(carried, sql``)}
      from ${of.from}
      left join lateral (select ${textHash("t")} as text_hash offset 0) h on true
      left join lateral (
        select true as is_cached
        where exists (select from ${lenders(hash, of.lenderIds, of.lenderSources)}) or ${isCached(hash, of.cacheNames)} offset 0
      ) e on true
    ), reserved as materialized (
      select r.text_hash, case r.state when 'taken' then 'in_progress' else r.state end as state, r.since_ms
      from (select array_agg(text_hash) as hashes, array_agg(ticket) as tickets from classified where state = 'new') n,
        autoembed.reserve_texts(${of.fingerprint}, n.hashes, n.tickets, ${of.owner}, ${of.lenderIds}, ${of.lenderSources},
          ${of.cacheNames}) r
    )
    select c.ticket, c.ctid, c.key, encode(c.text_hash, 'hex') as text_hash, c.too_long, c.fault,
      coalesce(r.state, c.state) as state, r.since_ms as in_progress_ms,
      (extract(epoch from clock_timestamp() - c.queued_at) * 1000)::float8 as age_ms,
      case when coalesce(r.state, c.state) = 'new' then c.text end as text${sql.join(returned, sql``)}
    from classified c left join reserved r on c.state = 'new' and r.text_hash = c.text_hash
    order by c.ticket`;
}
