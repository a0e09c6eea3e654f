import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { roleSearchPath } from "../database/session-settings.ts";

/** Bounds for `hnsw.ef_search`. With pgvector's default of 40, a search would return at most 40 rows. */
const LEAST_CANDIDATES = 100;
const MOST_CANDIDATES = 1_000;
/** Of filtered rows, most candidates may fail the filter. */
const LEAST_FILTERED = 400;

/**
 * Lets a condition of the user find what its role does, and sets, for the rest of the transaction, enough candidates for `limit` rows and, if the rows are filtered, a scan that
 * continues until it has found them (pgvector 0.8). Without an index this has no effect. A search for more than 1,000
 * rows skips the index: even an iterative scan stops, without a warning, when its memory is full.
 */
export async function tuneSearch(transaction: Database, limit: number, isFiltered: boolean): Promise<void> {
  const least = isFiltered ? LEAST_FILTERED : LEAST_CANDIDATES;
  const candidates = Math.min(MOST_CANDIDATES, Math.max(least, 2 * limit));
  await sql`
    select ${roleSearchPath}, set_config('hnsw.ef_search', ${String(candidates)}, true),
      case when ${limit}::int > ${MOST_CANDIDATES}::int then set_config('enable_indexscan', 'off', true) end,
      case when ${isFiltered}::bool and string_to_array(extversion, '.')::int[] >= '{0,8}'
        then set_config('hnsw.iterative_scan', 'relaxed_order', true) end
    from pg_extension where extname = 'vector'`.execute(transaction);
}
