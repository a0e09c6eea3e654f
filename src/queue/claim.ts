import { sql, type RawBuilder } from "kysely";
import { restorePlannerSettings } from "../database/kept-plan.ts";
import type { Database } from "../database/connect.ts";
import { numbersParameter, textsParameter } from "../database/array-parameter.ts";
import type { Lending } from "../ledger/lending.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import { isUnchanged, keyMatches, watchedRows } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import { classify, type ClaimedRow } from "./claim-state.ts";
import { preparedPerSource } from "./prepared-per-source.ts";
import { isDue } from "./row-state.ts";

export interface ClaimRange {
  /** embedding_listener.id */
  readonly owner: number;
  readonly limit: number;
  /** The oldest rows are taken above `head`; rows above `tail` are fresh and go first: see `ClaimCursor`. */
  readonly head: bigint;
  readonly tail: bigint;
}

export interface ClaimOptions extends ClaimRange {
  readonly lending: Lending;
  readonly maxCharacters: number;
}

/**
 * Claims a batch: what is fresh first, so that a single change does not wait behind the others, then the
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

const statement = preparedPerSource<ClaimedRow>(
  (source) => sql`
    with ${claimedTickets(source)}, ${classify({
      from: sql`claimed c left join ${watchedRows(source)} t on ${keyMatches(source, "t", "c")}`,
      claim: "c",
      firstState: sql`when t.ctid is null then 'deleted'`,
      owner: sql`$1`,
      fingerprint: sql`$5`,
      maxCharacters: sql`$6`,
      lenderIds: sql`$7::int[]`,
      lenderSources: sql`$8::int[]`,
      cacheNames: sql`$9::text[]`,
    })}`,
);

/**
 * The CTEs of a claim, over `$1` owner, `$2` limit, `$3` head and `$4` tail; `claimed` has the ticket, ctid, key
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
      returning ticket, ctid, key, queued_at
    )`;
}
