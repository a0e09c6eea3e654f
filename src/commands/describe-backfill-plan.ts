import type { BackfillPlan } from "../backfill/plan-backfill.ts";
import { money } from "../status/describe-spent.ts";
import { formatDuration } from "../timing/format-duration.ts";
import { formatMoment } from "../timing/parse-moment.ts";

/** The plan for people, in a line for the time, one for the way, and one for the money. */
export function describeBackfillPlan(plan: BackfillPlan): string {
  return [
    `${plan.source}: ${plan.rows} rows to embed.`,
    ...timeOf(plan),
    ...wayOf(plan),
    ...moneyOf(plan),
  ].join("\n");
}

function timeOf(plan: BackfillPlan): string[] {
  const { by, seconds_until: until, seconds_needed: needed, needed_rows_per_second: pace } = plan;
  if (by === null || until === null || pace === null) return [];
  const asked = `  time   ${formatMoment(new Date(by))} is in ${formatDuration(until)}, which needs ${pace.toFixed(1)} rows/s`;
  if (plan.goes_by === "batches") {
    const late = plan.is_in_time === true ? "" : "; batches may take longer than that";
    return [`${asked}${late}.`];
  }
  if (needed === null)
    return [`${asked}; how long it takes is not known yet: --dry-run --sample 50 measures it.`];
  if (plan.is_in_time === true)
    return [
      `${asked}; at full pace it takes ${formatDuration(needed)}, so it goes slower and leaves room for changes.`,
    ];
  const share = plan.rows === 0 ? 1 : until / needed;
  return [
    `${asked}; it takes ${formatDuration(needed)}, so it cannot be done by then: about ${Math.floor(plan.rows * share)} rows can, at full pace.`,
    `         ${plan.what_would_help ?? ""}`,
  ];
}

function wayOf({ by, goes_by, lanes, since }: BackfillPlan): string[] {
  if (by === null && goes_by === "requests") return [];
  if (goes_by === "batches")
    return [`  way    by the provider's batch API, since ${since}; what a batch leaves goes by requests.`];
  return [`  way    by requests, ${lanes} at a time, since ${since}.`];
}

function moneyOf(plan: BackfillPlan): string[] {
  const { spends_at_most: most, spent, cost, rows, rows_for_money: affordable } = plan;
  if (most === null || cost === null || affordable === null) return [];
  const before = spent > 0 ? `, of which ${money(spent)} is spent already` : "";
  const all = `  money  all of it costs about ${money(cost)}, and it stops at ${money(most)}${before}`;
  return affordable >= rows ? [`${all}.`] : [`${all}: that is enough for about ${affordable} rows.`];
}
