import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import type { ClaimRange } from "./claim.ts";
import { claimedTickets, tenantParameters, TURN_COLUMNS } from "./claimed-tickets.ts";
import { preparedPerSource } from "./prepared-per-source.ts";
import { keyMatches, watchedRows } from "../sources/source-sql.ts";
import type { ChunkedSource } from "../sources/chunked-source.ts";
import { withReadableKeys } from "../sources/readable-keys.ts";

export interface ClaimedRowToChunk {
  /** Fresh at every enqueue; a bigint as text. */
  readonly ticket: string;
  /** See `ClaimedRow`. */
  readonly ctid: string;
  readonly key: string;
  readonly state: "present" | "deleted";
  /** Milliseconds since the change was made, by the server's clock. */
  readonly age_ms: number;
}

/** Claims rows whose texts are to be split, as `claim` does rows whose texts are to be embedded. Reads no text yet. */
export async function claimRowsToChunk(
  db: Database,
  source: ChunkedSource,
  { owner, limit, head, tail, tenants }: ClaimRange,
): Promise<ClaimedRowToChunk[]> {
  return await withReadableKeys(db, [source], () =>
    statement(db, source, [owner, limit, head, tail, ...tenantParameters(tenants)]),
  );
}

const statement = preparedPerSource<ClaimedRowToChunk>(
  (source) => sql`
    with ${claimedTickets(source, { start: sql`$5`, known: sql`$6`, heads: sql`$7` })}
    select c.ticket, c.ctid, c.key, case when t.ctid is null then 'deleted' else 'present' end as state,
      (extract(epoch from clock_timestamp() - c.queued_at) * 1000)::float8 as age_ms${source.hasTenants ? sql`, ${sql.join(TURN_COLUMNS.map((column) => sql.ref(`c.${column}`)))}` : sql``}
    from claimed c left join ${watchedRows(source)} t on ${keyMatches(source, "t", "c")}
    order by c.ticket`,
);
