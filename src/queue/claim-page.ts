import { sql, type RawBuilder } from "kysely";
import type { Database } from "../database/connect.ts";
import type { Lending } from "../ledger/lending.ts";
import { isToEmbed, joinKnown } from "../ledger/stale-rows.ts";
import type { HeldPage } from "../pages/held-pages.ts";
import { isBetween } from "../sources/key-order.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import {
  isSameRow,
  isUnchanged,
  keysOf,
  queueKey,
  rowsWithVectors,
  watchedRows,
} from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";
import { classify, type ClaimedRow } from "./classify.ts";
import { isQueuedByLookup } from "./is-queued.ts";

export interface PageClaim {
  readonly limit: number;
  readonly lending: Lending;
  readonly maxCharacters: number;
}

/**
 * Reads the next rows of a page that have no current vector, and are not queued, in key order: fewer than `limit` mean that
 * there are no more. What is read is not stored: as long as the page is held, nobody else reads its rows; and one that is
 * changed meanwhile is queued, and keeps the vector that is written for its new text.
 */
export async function claimPage(
  db: Database,
  source: Source,
  page: HeldPage,
  { limit, lending, maxCharacters }: PageClaim,
): Promise<ClaimedRow[]> {
  const { fingerprint, lenderIds, cacheNames } = lending.model;
  return await withPerRowFallback(source, async (source) => {
    const { rows } = await sql<ClaimedRow>`
    with stale as materialized (
      select t.*, ${queueKey(source, "t")} as key
      from ${rowsWithVectors(source)} t ${joinKnown(source, lending.model)}
      where ${isBetween(source, "t", page.position, page.upto)} and ${isToEmbed(source, lending.model, page.all_since)}
        and not ${isQueuedByLookup(source.id, queueKey(source, "t"))}
        and exists (select from autoembed.embedding_listener l where l.id = ${page.owner}) and ${isUnchanged(source)}
      order by ${keysOf(source, "t")} limit ${limit}
    ), claimed as materialized (
      select t.*, nextval('autoembed.embedding_ticket') as ticket, null::tid as ctid, 0 as attempts, clock_timestamp() as queued_at
      from stale t
    )${freeRows(source, page)}, ${classify({
      from: sql`claimed t`,
      claim: "t",
      firstState:
        page.attempts === 0 ? sql`` : sql`when t.key <> all(array(select f.key from free f)) then 'locked'`,
      owner: sql`${page.owner}::int`,
      fingerprint: sql`${fingerprint}`,
      maxCharacters: sql`${maxCharacters}::int`,
      lenderIds: sql`${lenderIds}::int[]`,
      lenderSources: sql`${lending.sources().map(({ id }) => id)}::int[]`,
      cacheNames: sql`${cacheNames}::text[]`,
    })}`.execute(db);
    return rows;
  });
}

/**
 * The CTE `free`: the rows that no user holds locked. Only of a page that was given back, perhaps for such rows: the
 * vector of a row that is locked may not be kept, and would be paid for each time.
 */
function freeRows(source: Source, { attempts }: HeldPage): RawBuilder<unknown> {
  if (attempts === 0) return sql``;
  return sql`, free as materialized (
      select c.key from claimed c join ${watchedRows(source)} w on ${isSameRow(source, "w", "c")} for key share of w skip locked
    )`;
}
