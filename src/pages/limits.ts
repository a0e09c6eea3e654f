import { sql } from "kysely";
import type { Database } from "../database/connect.ts";

/** What a backfill may cost and when it is to be done. Every listener keeps to them, also when the command has ended. */
export interface BackfillLimits {
  /** Money, in the currency of the prices: more than the requests in flight cost is not spent beyond it. */
  readonly spendsAtMost?: number | undefined;
  readonly pace?: {
    readonly finishBy: Date;
    /** Rows that are left, as estimated. */
    readonly rows: number;
  };
}

/** Of the time that there is, the share that the paced rows take: the rest is in reserve, for changes and bad hours. */
export const PACED_SHARE = 0.8;

/** Some of its money is left. Where none is, or there was no limit, what it costs counts from 0. */
const hasMoneyLeft = sql`spent < spends_at_most`;

/**
 * The limits of a backfill are these from now on; those that are left out are none. What it has cost so far counts, if it
 * was interrupted before its money was spent.
 */
export async function limitBackfill(
  db: Database,
  sourceId: number,
  { spendsAtMost, pace }: BackfillLimits,
): Promise<void> {
  await sql`
    update autoembed.embedding_backfill set spends_at_most = ${spendsAtMost ?? null}::float8,
      spent = case when ${hasMoneyLeft} then spent else 0 end,
      finish_by = ${pace?.finishBy.toISOString() ?? null}::timestamptz, paced_from = now(), paced_done = done,
      paced_rows = ${pace?.rows ?? null}::bigint
    where source_id = ${sourceId}`.execute(db);
}

/** What a source's backfill has cost that would go on, and not begin at 0, with the next limit of its money. */
export async function spentSoFar(db: Database, sourceId: number): Promise<number> {
  const { rows } = await sql<{ spent: number }>`
    select spent from autoembed.embedding_backfill where source_id = ${sourceId} and ${hasMoneyLeft}`.execute(
    db,
  );
  return rows[0]?.spent ?? 0;
}

/** Why no more of a backfill is embedded now: its money is spent, or it is ahead of the pace that its time allows. */
type Held = "spent" | "ahead";

/**
 * Whether more of a source's backfill may be embedded now.
 * @param unwritten what this process has paid for it and not written yet
 */
export async function heldBackfill(db: Database, sourceId: number, unwritten: number): Promise<Held | null> {
  const { rows } = await sql<{ held: Held | null }>`
    select case when b.spent + ${unwritten}::float8 >= b.spends_at_most then 'spent'
      when b.done - b.paced_done > b.paced_rows * extract(epoch from now() - b.paced_from)
        / greatest(1, ${PACED_SHARE} * extract(epoch from b.finish_by - b.paced_from)) then 'ahead' end as held
    from autoembed.embedding_backfill b where b.source_id = ${sourceId}`.execute(db);
  return rows[0]?.held ?? null;
}
