import { sql, type RawBuilder } from "kysely";
import { numbersParameter, textsParameter } from "../database/array-parameter.ts";
import type { Database } from "../database/connect.ts";
import { restorePlannerSettings } from "../database/kept-plan.ts";
import type { Lending } from "../ledger/lending.ts";
import { isToEmbed, joinKnown } from "../ledger/stale-rows.ts";
import type { HeldPage } from "../pages/held-pages.ts";
import { isAfter, isUpTo } from "../sources/key-order.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import {
  isUnchanged,
  keyMatches,
  keysOf,
  queueKey,
  rowsWithVectors,
  watchedRows,
} from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import { classify, type ClaimedRow } from "./claim-state.ts";
import { isQueuedByLookup } from "./is-queued.ts";
import { preparedPerSource, type PreparedPerSource } from "./prepared-per-source.ts";

/** Below all tickets of the queue: no row of a page shares its ticket with a queued one. The order stays. */
const OUT_OF_QUEUE = sql.lit(9_000_000_000_000_000_000n);

export interface PageClaim {
  readonly limit: number;
  readonly lending: Lending;
  readonly maxCharacters: number;
}

/**
 * Reads the next rows of a page that have no current vector, and are not queued, in key order: fewer than `limit` mean that
 * there are no more. What is read is not stored: whoever holds the page reads its rows. One that is changed meanwhile is
 * queued, and keeps the vector that is written for its new text.
 */
export async function claimPage(
  db: Database,
  source: Source,
  page: HeldPage,
  { limit, lending, maxCharacters }: PageClaim,
): Promise<ClaimedRow[]> {
  const { fingerprint, lenderIds, cacheNames } = lending.model;
  const statement = statementFor({
    isFirst: page.position === null,
    isAgain: page.attempts > 0,
    isAll: page.all_since !== null,
  });
  return await withPerRowFallback(source, (source) =>
    statement(db, source, [
      page.owner,
      limit,
      page.all_since,
      page.position === null ? null : textsParameter(page.position),
      fingerprint,
      maxCharacters,
      numbersParameter(lenderIds),
      numbersParameter(lending.sources().map(({ id }) => id)),
      textsParameter(cacheNames),
      textsParameter(page.upto),
    ]),
  );
}

interface Reading {
  /** From the first row of the table on. */
  readonly isFirst: boolean;
  /** The page was given back before. */
  readonly isAgain: boolean;
  /** Of a backfill of all rows. */
  readonly isAll: boolean;
}

const statements = new Map<string, PreparedPerSource<ClaimedRow>>();

function statementFor(reading: Reading): PreparedPerSource<ClaimedRow> {
  const name = JSON.stringify(reading);
  const statement =
    statements.get(name) ?? preparedPerSource<ClaimedRow>((source) => readPage(source, reading));
  statements.set(name, statement);
  return statement;
}

function readPage(source: Source, { isFirst, isAgain, isAll }: Reading): RawBuilder<unknown> {
  const model = { lenderIds: sql`$7::int[]`, cacheNames: sql`$9::text[]` };
  const key = queueKey(source, "t");
  return sql`
    with registered as materialized (
      select id from autoembed.embedding_listener where id = $1 and ${restorePlannerSettings} and ${isUnchanged(source)}
    ), stale as materialized (
      select t.*, ${key} as key from ${rowsWithVectors(source)} t ${joinKnown(source, model)}
      where exists (select from registered) and ${isFirst ? sql`$4::text[] is null` : isAfter(source, "t", sql`$4::text[]`)}
        and ${isUpTo(source, "t", sql`$10::text[]`)} and not ${isQueuedByLookup(source.id, key)}
        and ${isToEmbed(source, model, isAll ? sql`$3::timestamptz` : undefined)} and ${isAll ? sql`true` : sql`$3::text is null`}
      order by ${keysOf(source, "t")} limit $2
    ), claimed as materialized (
      select t.*, nextval('autoembed.embedding_ticket') - ${OUT_OF_QUEUE} as ticket, null::tid as ctid, clock_timestamp() as queued_at
      from stale t
    )${isAgain ? freeRows(source) : sql``}, ${classify({
      from: sql`claimed t`,
      claim: "t",
      firstState: isAgain ? sql`when t.key <> all(array(select f.key from free f)) then 'locked'` : sql``,
      owner: sql`$1`,
      fingerprint: sql`$5`,
      maxCharacters: sql`$6`,
      lenderIds: model.lenderIds,
      lenderSources: sql`$8::int[]`,
      cacheNames: model.cacheNames,
    })}`;
}

/**
 * The CTE `free`: the rows that no user holds locked. Only of a page that was given back, perhaps for such rows: the
 * vector of a row that is locked may not be kept, and would be paid for each time.
 */
function freeRows(source: Source): RawBuilder<unknown> {
  return sql`, free as materialized (
      select c.key from claimed c join ${watchedRows(source)} w on ${keyMatches(source, "w", "c")} for key share of w skip locked
    )`;
}
