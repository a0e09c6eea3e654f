import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import { countMissingVectors, hasAtMostPending, type QueueCounts } from "../queue/counts.ts";
import type { Source } from "../sources/source.ts";

/** Rows that a source may owe when the table is taken: few enough to be looked at while everybody waits. */
const MOST_PENDING = 500;

export async function hasFewPending(db: Database, source: Source): Promise<boolean> {
  return await hasAtMostPending(db, source, MOST_PENDING);
}

/** Rows that searches would no longer find. */
export type Lost = Pick<QueueCounts, "pending" | "failed">;

/** Rows with a vector of `shown` and none of `other`. A row that has no vector is in the queue, pending or failed. */
export async function vectorsThatWouldBeLost(db: Database, shown: Source, other: Source): Promise<Lost> {
  return await countMissingVectors(db, shown, other);
}

/** @throws {SetupError} where there are any. */
export function refuseFailed(rows: number): void {
  if (rows === 0) return;
  throw new SetupError(
    `${rows} rows cannot be embedded by the new model, so nothing was switched.`,
    `See npm run status. Mend or retry them and run this again, or give --force: they will not be found by searches.`,
  );
}
