import { dryRun } from "../backfill/dry-run.ts";
import type { BatchAsked } from "../backfill/choose-way.ts";
import { limitsOf, planBackfill, type BackfillPlan, type Wanted } from "../backfill/plan-backfill.ts";
import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { UsageError } from "../errors.ts";
import { spentSoFar, type BackfillLimits } from "../pages/limits.ts";
import type { Source } from "../sources/source.ts";
import { parseMoment } from "../timing/parse-moment.ts";

/** What `--by` and `--spend` ask for; undefined if neither was given. @throws {UsageError} */
export function wantedLimits(
  values: { readonly by?: string | undefined; readonly spend?: string | undefined },
  now: Date,
): Wanted | undefined {
  if (values.by === undefined && values.spend === undefined) return undefined;
  return {
    by: values.by === undefined ? undefined : momentOf(values.by, now),
    spend: values.spend === undefined ? undefined : amountOf(values.spend),
  };
}

/**
 * What the one source takes, next to what was asked for.
 * @throws {UsageError} where there are several sources, texts to be cut, or no price
 */
export async function planLimits(
  db: Database,
  config: Config,
  { sources, chunked }: { readonly sources: readonly Source[]; readonly chunked: readonly Source[] },
  wanted: Wanted,
  { all, asked, signal }: { readonly all: boolean; readonly asked: BatchAsked; readonly signal: AbortSignal },
): Promise<{ readonly plan: BackfillPlan; readonly limits: BackfillLimits }> {
  const [source, another] = sources;
  if (source === undefined || another !== undefined)
    throw new UsageError("--by and --spend are about one source.", "Name it: --source NAME");
  if (chunked.length > 0)
    throw new UsageError(
      `--by and --spend cannot limit ${source.name}: how many chunks its texts make is not known before they are cut.`,
      "Leave them out; EMBED_DAILY_BUDGET limits what a day costs.",
    );
  const report = await dryRun(db, config, source, { all, sample: null, signal });
  const plan = planBackfill(report, wanted, new Date(), await spentSoFar(db, source.id), asked);
  return { plan, limits: limitsOf(plan, wanted) };
}

function momentOf(text: string, now: Date): Date {
  const moment = parseMoment(text, now);
  if (moment === undefined)
    throw new UsageError(
      `--by takes a time, got ${JSON.stringify(text)}.`,
      'Such as: --by "Mon 08:00", --by 08:00 or --by 2030-01-31T08:00 (your time zone, unless the date has its own)',
    );
  if (moment <= now)
    throw new UsageError(
      `--by ${JSON.stringify(text)} is in the past.`,
      "Name a time that is still to come.",
    );
  return moment;
}

function amountOf(text: string): number {
  const [, amount] = /^(\d+(?:\.\d+)?)(?: *USD)?$/.exec(text) ?? [];
  if (amount === undefined || Number(amount) === 0)
    throw new UsageError(
      `--spend takes an amount of money above 0, got ${JSON.stringify(text)}.`,
      "Such as: --spend 20",
    );
  return Number(amount);
}
