import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import type { LedgerModel } from "../ledger/model.ts";
import { isToEmbed, joinKnown, modelSql } from "../ledger/stale-rows.ts";
import { isQueuedByLookup } from "../queue/is-queued.ts";
import { withPerRowFallback } from "../sources/per-row-fallback.ts";
import { queueKey, rowsWithVectors } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";

/** Counts the rows that a backfill reads in its pages. Reads the whole table. */
export async function countStale(
  db: Database,
  source: Source,
  model: LedgerModel,
  isAll: boolean,
): Promise<number> {
  const known = modelSql(model);
  return await withPerRowFallback(source, async (source) => {
    const { rows } = await sql<{ rows: number }>`
    select count(*)::float8 as rows from ${rowsWithVectors(source)} t ${joinKnown(source, known)}
    where ${isToEmbed(source, known, isAll ? sql`'infinity'::timestamptz` : undefined)}
      and not ${isQueuedByLookup(source.id, queueKey(source, "t"))}`.execute(db);
    return rows[0]?.rows ?? 0;
  });
}
