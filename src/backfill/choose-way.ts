import { formatDuration } from "../timing/format-duration.ts";
import { PACED_SHARE } from "../pages/limits.ts";
import type { DryRunReport } from "./dry-run.ts";

/** How a backfill goes, and why. */
export interface Way {
  readonly goes_by: "batches" | "requests";
  /** Requests of it in flight, at most. */
  readonly lanes: number;
  /** In words, after "since". */
  readonly since: string;
}

/** What was asked for of batches; undefined where that is to be chosen. */
export type BatchAsked = boolean | undefined;

const SECONDS_PER_HOUR = 3600;
const NO_BATCHES = "its provider has no batch API";

/** @param until seconds that there are; null where no time was given */
export function chooseWay(report: DryRunReport, until: number | null, asked: BatchAsked): Way {
  const { batch, pace } = report;
  // What batches leave to requests is not slowed.
  if (batch !== null && asked === true)
    return { goes_by: "batches", lanes: pace.lanes, since: "--batch asks for it" };
  const against = whyNoBatches(report, until, asked);
  if (batch === null || against !== undefined)
    return { goes_by: "requests", lanes: lanesFor(report, until), since: against ?? NO_BATCHES };
  const since = `its batches end within ${batch.hours} h and cost ${batch.priceFactor} of the price`;
  return { goes_by: "batches", lanes: pace.lanes, since };
}

function whyNoBatches(
  { batch, cost, texts }: DryRunReport,
  until: number | null,
  asked: BatchAsked,
): string | undefined {
  if (asked === false) return "--no-batch asks for it";
  if (batch === null) return NO_BATCHES;
  if (until === null) return "no --by says how long batches may take";
  if (texts === 0 || batch.priceFactor >= 1 || cost === 0) return "batches would cost no less";
  if (until < batch.hours * SECONDS_PER_HOUR)
    return `batches may take ${batch.hours} h, and there are ${formatDuration(until)}`;
  if (!batch.isCertain)
    return `it is not known whether this server has batches: with --batch it would cost ${batch.priceFactor} of the price`;
  return undefined;
}

/** So many requests at a time as are enough to be done in time, at the pace that was measured; all where it is not known. */
function lanesFor({ pace }: DryRunReport, until: number | null): number {
  if (until === null || pace.secondsInOneLane === null) return pace.lanes;
  return Math.min(pace.lanes, Math.max(1, Math.ceil(pace.secondsInOneLane / (PACED_SHARE * until))));
}

/** `EMBED_MAX_CONCURRENCY` takes no more. */
const MOST_LANES = 64;

/** What would help a backfill by requests that cannot be done in the seconds that there are. */
export function whatWouldHelp({ pace, batch, seconds }: DryRunReport, until: number): string {
  const later = `a --by at least ${formatDuration(seconds ?? 0)} from now`;
  const wanted = Math.ceil((pace.secondsInOneLane ?? 0) / until);
  const isRateEnough = pace.secondsByRate <= until;
  const lanes =
    wanted <= MOST_LANES
      ? `EMBED_MAX_CONCURRENCY=${wanted}, if the provider keeps its pace`
      : `listeners with other keys (EMBED_MAX_CONCURRENCY=${MOST_LANES} is not enough)`;
  const more = isRateEnough ? lanes : "a plan with more requests or tokens per minute";
  const cheaper =
    batch === null || batch.priceFactor >= 1
      ? ""
      : `; with ${batch.hours} h it could go by batches, at ${batch.priceFactor} of the price`;
  return `What would help: ${more}, or ${later}${cheaper}.`;
}
