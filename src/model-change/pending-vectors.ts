import { sql } from "kysely";
import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import { keyMatches, rowsWithVectors } from "../sources/source-sql.ts";
import type { Source } from "../sources/source.ts";

/** Rows that a source may owe when the table is taken: few enough to be looked at while everybody waits. */
const MOST_PENDING = 500;

export async function hasFewPending(db: Database, { id }: Source): Promise<boolean> {
  const { rows } = await sql`
    select from autoembed.embedding_queue where source_id = ${id} and failed_at is null limit ${MOST_PENDING + 1}`.execute(
    db,
  );
  return rows.length <= MOST_PENDING;
}

/** Rows that searches would not find any more. */
export interface Lost {
  readonly pending: number;
  readonly failed: number;
}

/**
 * Rows with a vector of `shown` and none of `other`. Whatever has no vector is in
 * the queue, pending or failed.
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

/** @throws {SetupError} where there are any. */
export function refuseFailed(rows: number): void {
  if (rows === 0) return;
  throw new SetupError(
    `${rows} rows cannot be embedded by the new model, so nothing was switched.`,
    `See npm run status. Mend or retry them and run this again, or give --force: they will not be found by searches.`,
  );
}
