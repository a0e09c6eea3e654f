import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { countMissingVectors, hasAtMostPending, type QueueCounts } from "../queue/counts.ts";
import { backfillProgress } from "../pages/backfills.ts";
import type { Source } from "../sources/source.ts";

/** A source may have so many pending rows when the table is locked: few enough to check while users wait. */
const MOST_PENDING = 500;

export async function hasFewPending(db: Database, source: Source): Promise<boolean> {
  const { running } = await backfillProgress(db, [source]);
  return running === 0 && (await hasAtMostPending(db, source, MOST_PENDING));
}

/** Rows that searches would no longer find. */
export type Lost = Pick<QueueCounts, "pending" | "failed">;

/**
 * Counts the rows that have a vector of `shown` and none of `other`. A row without a vector is in the queue, pending or
 * failed, unless a backfill is under way.
 */
export async function vectorsThatWouldBeLost(db: Database, shown: Source, other: Source): Promise<Lost> {
  return await countMissingVectors(db, shown, other);
}

/** @throws {SetupError} if there are failed rows. */
export function refuseFailed(rows: number): void {
  if (rows === 0) return;
  throw new SetupError(
    `The new model cannot embed ${rows} rows, so nothing was switched.`,
    `See ${invocation("status")}. Fix or retry the rows and run this again. Or give --force: searches will then not find them.`,
  );
}
