import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import { keyMatches, rowsWithVectors } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";

/** A source may have so many pending rows when the table is locked: few enough to check while users wait. */
const MOST_PENDING = 500;

export async function hasFewPending(db: Database, { id }: Source): Promise<boolean> {
  const { rows } = await sql`
    select from autoembed.embedding_queue where source_id = ${id} and failed_at is null limit ${MOST_PENDING + 1}`.execute(
    db,
  );
  return rows.length <= MOST_PENDING;
}

/** Rows that searches would no longer find. */
export interface Lost {
  readonly pending: number;
  readonly failed: number;
}

/**
 * Counts the rows that have a vector of `shown` and none of `other`. A row without a vector is in the queue, pending or
 * failed.
 */
export async function vectorsThatWouldBeLost(db: Database, shown: Source, other: Source): Promise<Lost> {
  const { rows } = await sql<Lost>`
    select count(*) filter (where q.failed_at is null)::int as pending, count(q.failed_at)::int as failed
    from autoembed.embedding_queue q
    join ${rowsWithVectors(shown)} b on ${keyMatches(shown, "b", "q")}
    join ${rowsWithVectors(other)} a on ${keyMatches(other, "a", "q")}
    where q.source_id = ${other.id} and b.vector is not null and a.vector is null`.execute(db);
  return rows[0] ?? { pending: 0, failed: 0 };
}

export async function failedRows(db: Database, { id }: Source): Promise<number> {
  const { rows } = await db
    .selectFrom("autoembed.embedding_queue")
    .select(({ fn }) => fn.countAll<string>().as("rows"))
    .where("source_id", "=", id)
    .where("failed_at", "is not", null)
    .executeTakeFirstOrThrow();
  return Number(rows);
}

/** @throws {SetupError} if there are failed rows. */
export function refuseFailed(rows: number): void {
  if (rows === 0) return;
  throw new SetupError(
    `The new model cannot embed ${rows} rows, so nothing was switched.`,
    "See npm run status. Fix or retry the rows and run this again. Or give --force: searches will then not find them.",
  );
}
