import { withClient } from "../bench-database.ts";
import { OURS } from "../contenders.ts";
import { sendPlans, whyNoPlans } from "../explained-writes.ts";
import type { Bench } from "../part.ts";
import type { Section } from "../report.ts";
import { runSubject, timeSubject } from "../run-subject.ts";
import { STATEMENT_KINDS } from "../statement-kinds.ts";
import { keepStatementTimes, readStatementTimes, whyNoStatementTimes } from "../statement-times.ts";
import { startProvider, type StandIn } from "../start-provider.ts";

const DIMENSIONS = 1536;
/** Statements of no kind are shown by themselves from this share on. */
const SHOWN_SHARE = 0.01;
/** And writes from this time per row on. */
const SHOWN_MICROSECONDS = 0.1;
const JOB = { subject: "ours", batch: OURS.batch, lanes: OURS.lanes } as const;

/** What a backfilled row costs Postgres, statement by statement; and what of it are the writes to each table. */
export async function statements(bench: Bench): Promise<Section[]> {
  const { server, quick, rows = quick ? 2_000 : 50_000 } = bench;
  const provider = await startProvider({ dimensions: DIMENSIONS, latencyMs: 0 });
  const template = await server.template("statements", DIMENSIONS, rows);
  const turn = { bench, provider, template, rows };
  try {
    return [await measureStatements(turn), await measureWrites(turn)];
  } finally {
    provider.close();
    await server.drop(template);
  }
}

interface BackfillTurn {
  readonly bench: Bench;
  readonly provider: StandIn;
  readonly template: string;
  readonly rows: number;
}

async function measureStatements({ bench, provider, template, rows }: BackfillTurn): Promise<Section> {
  const { server, progress } = bench;
  const title = "Postgres's time per row by statement";
  const why = await withClient(server.urlOf(template), whyNoStatementTimes);
  if (why !== undefined) return { title, columns: [""], rows: [[why]], bars: [] };
  const database = await server.fresh(template);
  const url = server.urlOf(database);
  await withClient(url, keepStatementTimes);
  progress(`${rows} rows, the times of statements`);
  const { postgresCpu } = await runSubject(server, provider, database, { ...JOB, rows });
  const times = await withClient(url, readStatementTimes);
  await server.drop(database);
  return reportTimes(title, rows, postgresCpu, times);
}

async function measureWrites({ bench, provider, template, rows }: BackfillTurn): Promise<Section> {
  const { server, progress } = bench;
  const title = "Of which the writes alone, in a turn of their own under EXPLAIN ANALYZE";
  const why = await withClient(server.urlOf(template), whyNoPlans);
  if (why !== undefined) return { title, columns: [""], rows: [[why]], bars: [] };
  const database = await server.fresh(template);
  await withClient(server.urlOf(database), sendPlans);
  progress(`${rows} rows, the times of writes`);
  const { writes = [] } = await timeSubject(server, provider, database, { ...JOB, rows, explained: true });
  await server.drop(database);
  return {
    title,
    columns: ["", "us/row"],
    rows: writes
      .toSorted((a, b) => b.microseconds - a.microseconds)
      .filter(({ microseconds }) => microseconds >= SHOWN_MICROSECONDS * rows)
      .map(({ kind, operation, table, microseconds }) => [
        `${kind}: ${operation} ${table}`,
        microseconds / rows,
      ]),
    bars: [],
  };
}

function reportTimes(
  title: string,
  rows: number,
  cpu: number | undefined,
  { kinds, others }: Awaited<ReturnType<typeof readStatementTimes>>,
): Section {
  const whole = [...kinds.values()].reduce((sum, { microseconds }) => sum + microseconds, 0);
  const processor = cpu === undefined ? "" : `, ${Math.round(1000 * cpu)} us of processor time`;
  const named = [...others]
    .filter(([, { microseconds }]) => microseconds >= SHOWN_SHARE * whole)
    .sort(([, a], [, b]) => b.microseconds - a.microseconds)
    .map(([query, times]) => [`  of it: ${query.slice(0, 50)}`, times] as const);
  const shown = [...STATEMENT_KINDS.map((kind) => [kind as string, kinds.get(kind)] as const), ...named];
  return {
    title: `${title}, ${rows.toLocaleString("en")} rows: ${Math.round(whole / rows)} us elapsed${processor}`,
    columns: ["", "us/row", "% of all", "calls per 1,000 rows", "WAL bytes/row"],
    rows: shown.flatMap(([name, times]) =>
      times === undefined
        ? []
        : [
            [
              name,
              times.microseconds / rows,
              (100 * times.microseconds) / whole,
              (1000 * times.calls) / rows,
              times.walBytes / rows,
            ],
          ],
    ),
    bars: [],
    chart: {
      columns: [
        { name: "us/row", better: "less" },
        { name: "WAL bytes/row", better: "less" },
      ],
      without: named.map(([name]) => name),
    },
  };
}
