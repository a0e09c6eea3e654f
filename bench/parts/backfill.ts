import { DIMENSIONS, LIMIT, reportBackfill, type Setting } from "../backfill-report.ts";
import { BASELINE, CONTENDERS, installPeers, MISSING_PEERS, ROW_BY_ROW } from "../contenders.ts";
import { median } from "../median.ts";
import type { Bench } from "../part.ts";
import type { Section } from "../report.ts";
import { runSubject, type Turn } from "../run-subject.ts";
import { startProvider } from "../start-provider.ts";

/** 40 requests of 128 texts in each of four lanes: a last round that is not full would count as time lost. */
const WHOLE_ROUNDS = 40 * 4 * 128;

/** Backfill of a table without vectors, until every row has one. */
export async function backfill(bench: Bench): Promise<Section[]> {
  if (MISSING_PEERS.length > 0)
    bench.progress(`without ${MISSING_PEERS.join(" and ")}, for which: npm ci --prefix bench`);
  const { rows = bench.quick ? 2_000 : 50_000 } = bench;
  const few = bench.quick ? 1_000 : 5_000;
  // With one lane the plan would only wait for this provider, a minute per turn: its rate is 64 rows per 150 ms at most.
  const fast = CONTENDERS.filter(({ subject, lanes }) => lanes > 1 || subject !== "plan");
  const settings: Setting[] = [
    {
      rows,
      latencyMs: 0,
      contenders: CONTENDERS,
      chart: {
        columns: [
          { name: "rows/s", better: "more" },
          { name: "Postgres CPU s/1,000", better: "less" },
          { name: "database MB", better: "less" },
        ],
        without: [BASELINE.name],
      },
    },
    ...(rows > few ? [{ rows: few, latencyMs: 0, contenders: CONTENDERS }] : []),
    {
      rows: bench.quick ? few : Math.min(rows, WHOLE_ROUNDS),
      latencyMs: 150,
      contenders: fast,
      chart: { columns: [{ name: LIMIT, better: "more" }], without: [ROW_BY_ROW.name] },
    },
  ];
  const sections = [];
  for (const setting of settings) sections.push(await measure(bench, setting));
  return sections;
}

async function measure(bench: Bench, setting: Setting): Promise<Section> {
  const { server } = bench;
  const { rows, latencyMs, contenders } = setting;
  const provider = await startProvider({ dimensions: DIMENSIONS, latencyMs });
  const template = await server.template("backfill", DIMENSIONS, rows);
  await installPeers(server.urlOf(template));
  const turns = new Map<string, Turn[]>(contenders.map(({ name }) => [name, []]));
  try {
    for (let turn = 0; turn < (bench.quick ? 1 : 3); turn++) {
      for (const { name, ...job } of contenders) {
        const itsRows = job.subject === "per-row" ? fewRows(setting) : rows;
        const database = await server.fresh(template);
        const done = await runSubject(server, provider, database, { ...job, rows: itsRows });
        await server.drop(database);
        turns.get(name)?.push(done);
        const speed = `${Math.round(done.rowsPerSecond)} rows/s`;
        bench.progress(`${rows} rows, ${latencyMs} ms, turn ${turn + 1}, ${name}: ${speed}`);
      }
    }
  } finally {
    provider.close();
  }
  await server.drop(template);
  return reportBackfill(setting, (name, figure) =>
    name === ROW_BY_ROW.name && figure === "databaseMegabytes"
      ? Number.NaN // of fewer rows
      : median((turns.get(name) ?? []).map((turn) => turn[figure] ?? Number.NaN)),
  );
}

/** Row by row, the whole table would take minutes: fewer rows show the same rate. */
function fewRows({ rows, latencyMs }: Setting): number {
  return latencyMs > 0 ? 50 : Math.min(rows, 1_000);
}
