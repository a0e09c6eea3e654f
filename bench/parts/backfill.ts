import type { SubjectName } from "../job.ts";
import { median } from "../median.ts";
import type { Bench } from "../part.ts";
import { atLeast, atMost, type Bar, type Section } from "../report.ts";
import { runSubject, type Turn } from "../run-subject.ts";
import { installGraphileWorker } from "../subjects/graphile-worker.ts";
import { isInstalled } from "../subjects/peers.ts";
import { installPgBoss } from "../subjects/pg-boss.ts";
import { startProvider } from "../start-provider.ts";

const DIMENSIONS = 1536;
const BATCH = 128;
const LANES = 4;

interface Contender {
  readonly name: string;
  readonly subject: SubjectName;
  readonly batch: number;
  readonly lanes: number;
}

const OURS = `ours, ${BATCH} x ${LANES}`;
const PLAN = `plan, ${BATCH} x ${LANES}`;
/** Peers are not our dependencies: they take part if they are installed. */
const QUEUES = [
  { subject: "graphile-worker", install: installGraphileWorker },
  { subject: "pg-boss", install: installPgBoss },
] as const;
const INSTALLED = QUEUES.filter(({ subject }) => isInstalled(subject));

const CONTENDERS: readonly Contender[] = [
  { name: "row by row", subject: "per-row", batch: 1, lanes: 1 },
  { name: "plan, 64 x 1", subject: "plan", batch: 64, lanes: 1 },
  { name: PLAN, subject: "plan", batch: BATCH, lanes: LANES },
  ...INSTALLED.map(({ subject }) => ({
    name: `${subject}, ${BATCH} x ${LANES}`,
    subject,
    batch: BATCH,
    lanes: LANES,
  })),
  { name: OURS, subject: "ours", batch: BATCH, lanes: LANES },
  {
    name: `baseline, ${BATCH} x ${LANES}`,
    subject: "ask-only",
    batch: BATCH,
    lanes: LANES,
  },
];

const FIGURES = [
  ["rowsPerSecondAsking", "rows/s asking"],
  ["nodeCpu", "Node CPU s/1,000"],
  ["postgresCpu", "Postgres CPU s/1,000"],
  ["peakMegabytes", "peak MB"],
  ["requests", "requests"],
  ["walBytesPerRow", "WAL bytes/row"],
] as const satisfies readonly (readonly [keyof Turn, string])[];

/** Backfill of a table without vectors, until every row has one. */
export async function backfill(bench: Bench): Promise<Section[]> {
  const rows = bench.quick ? 1_000 : 5_000;
  const template = await bench.server.template("backfill", DIMENSIONS, rows);
  for (const { install } of INSTALLED) await install(bench.server.urlOf(template));
  const sections = [];
  for (const latencyMs of [0, 150]) sections.push(await atLatency(bench, template, rows, latencyMs));
  await bench.server.drop(template);
  return sections;
}

async function atLatency(bench: Bench, template: string, all: number, latencyMs: number): Promise<Section> {
  const provider = await startProvider({ dimensions: DIMENSIONS, latencyMs });
  const turns = new Map<string, Turn[]>(CONTENDERS.map(({ name }) => [name, []]));
  try {
    for (let turn = 0; turn < (bench.quick ? 1 : 3); turn++) {
      for (const { name, subject, batch, lanes } of CONTENDERS) {
        const rows = subject === "per-row" ? fewRows(all, latencyMs) : all;
        const database = await bench.server.fresh(template);
        turns
          .get(name)
          ?.push(await runSubject(bench.server, provider, database, { subject, batch, lanes, rows }));
        await bench.server.drop(database);
      }
    }
  } finally {
    provider.close();
  }
  const of: Figure = (name, figure) =>
    median((turns.get(name) ?? []).map((turn) => turn[figure] ?? Number.NaN));
  return {
    title: `Backfill of ${all} rows of 600 characters, ${DIMENSIONS} dimensions, provider ${latencyMs} ms`,
    columns: ["", "rows/s", "vs ours", ...FIGURES.map(([, heading]) => heading)],
    rows: CONTENDERS.map(({ name }) => [
      name,
      of(name, "rowsPerSecond"),
      `${(of(name, "rowsPerSecond") / of(OURS, "rowsPerSecond")).toFixed(2)}x`,
      ...FIGURES.map(([figure]) => of(name, figure)),
    ]),
    bars: latencyMs === 0 ? barsWithoutLatency(of) : barsWithLatency(of, latencyMs),
  };
}

/** Row by row, the whole table would take minutes: fewer rows show the same rate. */
function fewRows(all: number, latencyMs: number): number {
  return latencyMs > 0 ? 50 : Math.min(all, 1_000);
}

type Figure = (name: string, figure: keyof Turn) => number;

function barsWithoutLatency(of: Figure): Bar[] {
  const others = CONTENDERS.filter(({ subject }) => subject !== "ours" && subject !== "ask-only");
  const fastest = Math.max(...others.map(({ name }) => of(name, "rowsPerSecond")));
  return [
    atLeast("at least 4x the fastest of the others", of(OURS, "rowsPerSecond") / fastest, 4, "x"),
    atMost("at most 0.1 s of Node CPU per 1,000 rows", of(OURS, "nodeCpu"), 0.1, " s"),
  ];
}

function barsWithLatency(of: Figure, latencyMs: number): Bar[] {
  const most = (LANES * BATCH * 1000) / latencyMs;
  return [
    atLeast(
      "at least 95 % of lanes x batch / latency",
      (100 * of(OURS, "rowsPerSecondAsking")) / most,
      95,
      " %",
    ),
    atMost("no more requests than the plan", of(OURS, "requests") - of(PLAN, "requests"), 0, " more"),
  ];
}
