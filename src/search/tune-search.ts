import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { roleSearchPath } from "../database/session-settings.ts";

/** pgvector's own bounds of `hnsw.ef_search`; its default of 40 would also be the most rows that a search returns. */
const LEAST_CANDIDATES = 100;
const MOST_CANDIDATES = 1_000;
/** Where rows are filtered most candidates may not pass. */
const LEAST_FILTERED = 400;

/**
 * For the rest of the transaction: a condition of the user's finds what its role does; enough candidates for `limit` rows, and, where the rows are filtered, a scan that
 * goes on until it has found them (pgvector 0.8). Without an index none of it matters. More rows than an index gives are
 * looked for without one: even a scan that goes on ends where its memory does, and says nothing.
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
