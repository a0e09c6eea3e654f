import { OURS, PLAN, type Contender } from "./contenders.ts";
import { atLeast, atMost, type Bar, type ChartedColumns, type Section } from "./report.ts";
import type { Turn } from "./run-subject.ts";

export const DIMENSIONS = 1536;

/** A table to backfill, the provider, and who does it. */
export interface Setting {
  readonly rows: number;
  readonly latencyMs: number;
  readonly contenders: readonly Contender[];
  readonly chart?: ChartedColumns;
}

type FigureName = Exclude<keyof Turn, "writes">;

export const LIMIT = "% of lanes x batch / latency";
const FIGURES = [
  ["rowsPerSecondAsking", "rows/s asking"],
  ["postgresCpu", "Postgres CPU s/1,000"],
  ["nodeCpu", "Node CPU s/1,000"],
  ["peakMegabytes", "peak MB"],
  ["requests", "requests"],
  ["walBytesPerRow", "WAL bytes/row"],
  ["databaseMegabytes", "database MB"],
] as const satisfies readonly (readonly [FigureName, string])[];

/** The median of a figure over the turns of a contender. */
export type Figure = (name: string, figure: FigureName) => number;

export function reportBackfill({ rows, latencyMs, contenders, chart }: Setting, of: Figure): Section {
  const ratio = (name: string, figure: FigureName): string | undefined => {
    const times = of(name, figure) / of(PLAN.name, figure);
    return Number.isNaN(times) ? undefined : `${times.toFixed(2)}x`;
  };
  const share = ({ name, batch, lanes }: Contender): number =>
    (100 * of(name, "rowsPerSecondAsking")) / ((lanes * batch * 1000) / latencyMs);
  return {
    title: `Backfill of ${rows.toLocaleString("en")} rows of 600 characters, ${DIMENSIONS} dimensions, provider ${latencyMs} ms`,
    columns: [
      "",
      "rows/s",
      "vs plan",
      ...(latencyMs > 0 ? [LIMIT] : []),
      ...FIGURES.map(([, heading]) => heading),
      "vs plan's",
    ],
    rows: contenders.map((contender) => [
      contender.name,
      of(contender.name, "rowsPerSecond"),
      ratio(contender.name, "rowsPerSecond"),
      ...(latencyMs > 0 ? [share(contender)] : []),
      ...FIGURES.map(([figure]) => of(contender.name, figure)),
      ratio(contender.name, "databaseMegabytes"),
    ]),
    bars: latencyMs === 0 ? barsWithoutLatency(contenders, of) : barsWithLatency(share(OURS), of),
    ...(chart === undefined ? {} : { chart }),
  };
}

function barsWithoutLatency(contenders: readonly Contender[], of: Figure): Bar[] {
  const others = contenders.filter(({ subject }) => subject !== "ours" && subject !== "ask-only");
  const fastest = Math.max(...others.map(({ name }) => of(name, "rowsPerSecond")));
  return [
    atLeast("at least 4.5x the fastest of the others", of(OURS.name, "rowsPerSecond") / fastest, 4.5, "x"),
    atMost("at most 0.05 s of Node CPU per 1,000 rows", of(OURS.name, "nodeCpu"), 0.05, " s"),
    atMost("at most 0.075 s of Postgres CPU per 1,000 rows", of(OURS.name, "postgresCpu"), 0.075, " s"),
    atMost("at most 9,300 bytes of WAL a row", of(OURS.name, "walBytesPerRow"), 9_300, " bytes"),
    atMost(
      "the database at most 1.15x the plan's",
      of(OURS.name, "databaseMegabytes") / of(PLAN.name, "databaseMegabytes"),
      1.15,
      "x",
    ),
  ];
}

function barsWithLatency(share: number, of: Figure): Bar[] {
  return [
    atLeast("at least 97 % of lanes x batch / latency", share, 97, " %"),
    atMost(
      "no more requests than the plan",
      of(OURS.name, "requests") - of(PLAN.name, "requests"),
      0,
      " more",
    ),
  ];
}
