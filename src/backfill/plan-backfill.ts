import { UsageError } from "../errors.ts";
import type { BackfillLimits } from "../pages/limits.ts";
import { chooseWay, whatWouldHelp, type BatchAsked, type Way } from "./choose-way.ts";
import type { DryRunReport } from "./dry-run.ts";

/** What was asked for, by `--by` and `--spend`. */
export interface Wanted {
  readonly by: Date | undefined;
  readonly spend: number | undefined;
}

/** What a backfill would take, next to the time and the money that there are. */
export interface BackfillPlan extends Way {
  readonly source: string;
  /** Rows to embed. */
  readonly rows: number;
  readonly by: string | null;
  readonly seconds_until: number | null;
  /** Rows per second that are needed to be done by then. */
  readonly needed_rows_per_second: number | null;
  /** By requests, as measured, with as many at a time as there may be; null where nothing is known of the pace. */
  readonly seconds_needed: number | null;
  /** Whether it can be done by then; null where it is not known, or no time was given. */
  readonly is_in_time: boolean | null;
  /** What would help where it is not in time; null otherwise. */
  readonly what_would_help: string | null;
  readonly spends_at_most: number | null;
  /** Of that, what an interrupted backfill that goes on has cost already. */
  readonly spent: number;
  /** Estimated; in the currency of the price. */
  readonly cost: number | null;
  /** Rows that the money is enough for; null without a limit. */
  readonly rows_for_money: number | null;
}

/**
 * @param spent what an interrupted backfill that goes on has cost already
 * @param asked whether batches were asked for
 * @throws {UsageError} where the money is limited and the price is not known
 */
export function planBackfill(
  report: DryRunReport,
  { by, spend }: Wanted,
  now: Date,
  spent: number,
  asked: BatchAsked,
): BackfillPlan {
  const { rows, seconds, batch } = report;
  if (spend !== undefined && report.cost === null)
    throw new UsageError(
      `--spend needs the price: ${report.basis.cost}.`,
      "Set that price (0 for a server of your own), or leave out --spend.",
    );
  const until = by === undefined ? null : (by.getTime() - now.getTime()) / 1000;
  const way = chooseWay(report, until, asked);
  const isByBatches = way.goes_by === "batches" && batch !== null;
  const isInTime = isByBatches
    ? until !== null && until >= batch.hours * 3600
    : seconds !== null && seconds <= (until ?? 0);
  const isKnown = until !== null && (isByBatches ? isInTime : seconds !== null);
  const cost = isByBatches ? batch.cost : report.cost;
  return {
    ...way,
    source: report.source,
    rows,
    by: by?.toISOString() ?? null,
    seconds_until: until,
    needed_rows_per_second: until === null ? null : rows / until,
    seconds_needed: seconds,
    is_in_time: isKnown ? isInTime : null,
    what_would_help: until === null || !isKnown || isInTime ? null : whatWouldHelp(report, until),
    spends_at_most: spend ?? null,
    spent,
    cost,
    rows_for_money: spend === undefined ? null : rowsFor(Math.max(0, spend - spent), rows, cost ?? 0),
  };
}

/**
 * What the listeners keep to. Where the time is too short already, nothing is slowed down, nor what batches leave to requests.
 */
export function limitsOf(plan: BackfillPlan, { by, spend }: Wanted): BackfillLimits {
  const isPaced =
    by !== undefined && plan.goes_by === "requests" && plan.is_in_time !== false && plan.rows > 0;
  return {
    spendsAtMost: spend,
    ...(isPaced ? { pace: { finishBy: by, rows: plan.rows } } : {}),
  };
}

function rowsFor(spend: number, rows: number, cost: number): number {
  return cost <= spend ? rows : Math.floor((rows * spend) / cost);
}
