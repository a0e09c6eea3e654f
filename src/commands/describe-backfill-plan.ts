import type { BackfillPlan } from "../backfill/plan-backfill.ts";
import { money } from "../status/describe-spent.ts";
import { formatDuration } from "../timing/format-duration.ts";
import { formatMoment } from "../timing/parse-moment.ts";

/** The plan for people, in a line for the time and one for the money. */
export function describeBackfillPlan(plan: BackfillPlan): string {
  return [`${plan.source}: ${plan.rows} rows to embed.`, ...timeOf(plan), ...moneyOf(plan)].join("\n");
}

function timeOf(plan: BackfillPlan): string[] {
  const { by, seconds_until: until, seconds_needed: needed, needed_rows_per_second: pace } = plan;
  if (by === null || until === null || pace === null) return [];
  const asked = `  time   ${formatMoment(new Date(by))} is in ${formatDuration(until)}, which needs ${pace.toFixed(1)} rows/s`;
  if (needed === null)
    return [`${asked}; how long it takes is not known yet: --dry-run --sample 50 measures it.`];
  if (plan.is_in_time === true)
    return [
      `${asked}; at full pace it takes ${formatDuration(needed)}, so it goes slower and leaves room for changes.`,
    ];
  const share = plan.rows === 0 ? 1 : until / needed;
  return [
    `${asked}; it takes ${formatDuration(needed)}, so it cannot be done by then: about ${Math.floor(plan.rows * share)} rows can. It goes at full pace; more EMBED_MAX_CONCURRENCY may help.`,
  ];
}

function moneyOf(plan: BackfillPlan): string[] {
  const { spends_at_most: most, spent, cost, rows, rows_for_money: affordable } = plan;
  if (most === null || cost === null || affordable === null) return [];
  const before = spent > 0 ? `, of which ${money(spent)} is spent already` : "";
  const all = `  money  all of it costs about ${money(cost)}, and it stops at ${money(most)}${before}`;
  return affordable >= rows ? [`${all}.`] : [`${all}: that is enough for about ${affordable} rows.`];
}
