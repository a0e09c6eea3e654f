import pg from "pg";
import { withClient } from "../bench-database.ts";
import { median } from "../median.ts";
import type { Bench } from "../part.ts";
import { PostgresCpu } from "../postgres-cpu.ts";
import { atMost, type Section } from "../report.ts";
import { runBackfillCommand } from "../run-backfill-command.ts";
import { startProvider, type StandIn } from "../start-provider.ts";

const DIMENSIONS = 8;
const SAMPLE_MS = 500;

interface Drain {
  readonly rows: number;
  readonly rowsPerSecond: number;
  /** CPU seconds per 1,000 rows: claim, write-back and counting; undefined if the server is on another machine. */
  readonly postgresCpu: number | undefined;
  /** Milliseconds per row in the last tenth, as a multiple of the first tenth. */
  readonly lastAgainstFirst: number;
  readonly peakMegabytes: number;
  /** The queue's table and indexes at their largest, in megabytes; then the same before the drain. */
  readonly queueMegabytes: number;
  readonly queueAtStart: number;
}

/** How the queue behaves as it grows, during the drain, and while an open transaction holds vacuum back. */
export async function growth({ server, quick, progress }: Bench): Promise<Section[]> {
  const sizes = quick ? [10_000, 50_000] : [10_000, 100_000, 1_000_000];
  const provider = await startProvider({ dimensions: DIMENSIONS, latencyMs: 0 });
  const drains: [string, Drain][] = [];
  try {
    for (const rows of sizes) {
      progress(`${rows.toLocaleString("en")} pending`);
      const database = await server.template("growth", DIMENSIONS, 0, (client) => fill(client, rows));
      drains.push([
        `${rows.toLocaleString("en")} pending`,
        await drain(server.urlOf(database), provider, rows),
      ]);
      await server.drop(database);
    }
    progress("an open transaction holds xmin");
    const held = quick ? 20_000 : 200_000;
    const database = await server.template("growth", DIMENSIONS, 0, (client) => fill(client, held));
    const holder = new pg.Client(server.urlOf(database));
    await holder.connect();
    await holder.query("begin isolation level repeatable read");
    await holder.query("select pg_current_xact_id()");
    drains.push([
      `${held.toLocaleString("en")} pending, an open transaction holds xmin`,
      await drain(server.urlOf(database), provider, held),
    ]);
    await holder.end();
    await server.drop(database);
  } finally {
    provider.close();
  }
  const largest = drains[sizes.length - 1]?.[1];
  return [
    {
      title: `Growth: backfill by the command itself, ${DIMENSIONS} dimensions, 512 x 4`,
      columns: [
        "",
        "rows/s",
        "Postgres CPU s/1,000",
        "last tenth vs first, ms/row",
        "peak MB of Node",
        "queue MB at start",
        "at most",
      ],
      rows: drains.map(([name, drained]) => [
        name,
        drained.rowsPerSecond,
        drained.postgresCpu,
        Number.isNaN(drained.lastAgainstFirst) ? "too short" : `${drained.lastAgainstFirst.toFixed(2)}x`,
        drained.peakMegabytes,
        drained.queueAtStart,
        drained.queueMegabytes,
      ]),
      bars:
        largest === undefined
          ? []
          : [
              atMost("the last tenth within 1.5x of the first", largest.lastAgainstFirst, 1.5, "x"),
              atMost("Node under 200 MB", largest.peakMegabytes, 200, " MB"),
            ],
    },
  ];
}

async function fill(client: pg.Client, rows: number): Promise<void> {
  await client.query(
    `insert into patient_embeddings (patient_id, context_text) select n, 'note ' || n from generate_series(1, ${rows}) n`,
  );
  await client.query(
    "insert into autoembed.embedding_queue (source_id, key) select 1, patient_id::text from patient_embeddings",
  );
}

async function drain(url: string, provider: StandIn, rows: number): Promise<Drain> {
  return withClient(url, async (client) => {
    const queueAtStart = await queueMegabytes(client);
    const cpu = new PostgresCpu(new URL(url).pathname.slice(1));
    cpu.start();
    const points: { readonly ms: number; readonly done: number }[] = [];
    let peakMegabytes = Number.NaN;
    let most = queueAtStart;
    await runBackfillCommand(url, provider.url, SAMPLE_MS, async (megabytes) => {
      const { rows: found } = await client.query<{ done: string }>(
        "select n_tup_upd as done from pg_stat_user_tables where relname = 'patient_embeddings'",
      );
      points.push({ ms: performance.now(), done: Number(found[0]?.done ?? 0) });
      peakMegabytes = Number.isNaN(megabytes) ? peakMegabytes : megabytes;
      most = Math.max(most, await queueMegabytes(client));
    });
    const postgres = await cpu.stop();
    const { rows: left } = await client.query<{ left: string }>(
      "select count(*) as left from patient_embeddings where embedding is null",
    );
    if (left[0]?.left !== "0") throw new Error(`${left[0]?.left ?? "all"} rows have no vector`);
    const working = points.filter(({ done }) => done > 0 && done < rows);
    const [first] = working;
    const last = working.at(-1);
    const seconds = ((last?.ms ?? 0) - (first?.ms ?? 0)) / 1000;
    return {
      rows,
      rowsPerSecond: ((last?.done ?? 0) - (first?.done ?? 0)) / seconds,
      postgresCpu: postgres === undefined ? undefined : postgres / (rows / 1000),
      lastAgainstFirst: pace(working, rows, 0.9, 1) / pace(working, rows, 0, 0.1),
      peakMegabytes,
      queueMegabytes: most,
      queueAtStart,
    };
  });
}

/** Median milliseconds per row while the share of finished rows was between `from` and `to`. */
function pace(
  points: readonly { ms: number; done: number }[],
  rows: number,
  from: number,
  to: number,
): number {
  const steps = points.flatMap(({ ms, done }, i) => {
    const next = points[i + 1];
    if (next === undefined || next.done === done || done < from * rows || next.done > to * rows) return [];
    return [(next.ms - ms) / (next.done - done)];
  });
  return median(steps);
}

async function queueMegabytes(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ bytes: string }>(
    "select pg_total_relation_size('autoembed.embedding_queue') as bytes",
  );
  return Number(rows[0]?.bytes ?? 0) / 2 ** 20;
}
