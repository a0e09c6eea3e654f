import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { VectorArray } from "../../src/database/vector-array.ts";
import { withClient } from "../bench-database.ts";
import { median, percentile } from "../median.ts";
import type { Bench } from "../part.ts";
import { randomVector } from "../random-vector.ts";
import { atLeast, type Section } from "../report.ts";
import { timeSubject } from "../run-subject.ts";
import { startProvider } from "../start-provider.ts";

const DIMENSIONS = 1536;
const BATCH = 128;
const WRITERS = 3;
const INDEX = "create index on patient_embeddings using hnsw (embedding vector_cosine_ops)";

/** The cost of a backfill with an existing HNSW index, and the time saved by building the index last. */
export async function hnsw({ server, quick, progress }: Bench): Promise<Section[]> {
  const rows = quick ? 200 : 3_000;
  const provider = await startProvider({ dimensions: DIMENSIONS, latencyMs: 0, vectors: rows });
  const indexed = await server.template("indexed", DIMENSIONS, rows, (client) => client.query(INDEX));
  const plain = await server.template("plain", DIMENSIONS, rows);
  const job = { subject: "ours", rows, batch: BATCH, lanes: 4 } as const;
  const waits = { bare: [] as number[], ours: [] as number[] };
  const seconds = { bare: [] as number[], ours: [] as number[], last: [] as number[] };
  const on = async <T>(template: string, turn: (database: string) => Promise<T>): Promise<T> => {
    const database = await server.fresh(template);
    const took = await turn(database);
    await server.drop(database);
    return took;
  };
  try {
    for (let turn = 0; turn < (quick ? 1 : 3); turn++) {
      progress(`turn ${turn + 1}`);
      seconds.bare.push(await on(indexed, (database) => bareUpdate(server.urlOf(database), rows)));
      seconds.ours.push(
        await on(indexed, async (database) => (await timeSubject(server, provider, database, job)).seconds),
      );
      seconds.last.push(
        await on(plain, async (database) => {
          const load = await timeSubject(server, provider, database, job);
          return load.seconds + (await timed(server.urlOf(database), INDEX));
        }),
      );
      // In separate turns: a user's locks slow the others down.
      await on(indexed, (database) =>
        locking(server.urlOf(database), rows, waits.bare, bareUpdate(server.urlOf(database), rows)),
      );
      await on(indexed, (database) =>
        locking(server.urlOf(database), rows, waits.ours, timeSubject(server, provider, database, job)),
      );
    }
  } finally {
    provider.close();
    await server.drop(indexed);
    await server.drop(plain);
  }
  const speed = (turns: readonly number[]): number => rows / median(turns);
  const line = (name: string, turns: readonly number[]): (string | number)[] => [
    name,
    speed(turns),
    `${(speed(turns) / speed(seconds.ours)).toFixed(2)}x`,
  ];
  const waitsOf = (name: string, times: readonly number[]): (string | number)[] => [
    name,
    ...[0.5, 0.99, 1].map((share) => percentile(times, share)),
    times.length,
  ];
  return [
    {
      title: `${rows} rows with an HNSW index`,
      columns: ["", "rows/s", "vs ours"],
      rows: [
        line(`in place, bare updates of ${BATCH}, ${WRITERS} connections`, seconds.bare),
        line("in place, ours", seconds.ours),
        line("ours without it, then the index built", seconds.last),
      ],
      bars: [
        atLeast(
          "in place, at least 90 % of bare updates",
          (100 * speed(seconds.ours)) / speed(seconds.bare),
          90,
          " %",
        ),
      ],
    },
    {
      title: "A user who locks a row during the backfill, ms",
      columns: ["", "median", "p99", "longest", "locks"],
      rows: [
        waitsOf(`during bare updates of ${BATCH}, ${WRITERS} connections`, waits.bare),
        waitsOf("during ours", waits.ours),
      ],
      bars: [],
    },
  ];
}

/** Locks random rows one after the other while `work` runs, and adds the time that each lock took to `times`. */
async function locking<T>(url: string, rows: number, times: number[], work: Promise<T>): Promise<T> {
  const done = { now: false };
  void work.finally(() => (done.now = true)).catch(() => undefined);
  await withClient(url, async (client) => {
    while (!done.now) {
      const id = 1 + Math.floor(Math.random() * rows);
      const started = performance.now();
      await client.query("select from patient_embeddings where patient_id = $1 for update", [id]);
      times.push(performance.now() - started);
      await delay(5);
    }
  });
  return await work;
}

/** Writes the same vectors, already in memory, by the fastest possible update. */
async function bareUpdate(url: string, rows: number): Promise<number> {
  const pool = new pg.Pool({ connectionString: url, max: WRITERS });
  const { rows: types } = await pool.query<{ oid: number }>("select 'vector'::regtype::oid as oid");
  const started = performance.now();
  let next = 0;
  const write = async (): Promise<void> => {
    while (next < rows) {
      const first = next;
      next += BATCH;
      const ids = Array.from({ length: Math.min(BATCH, rows - first) }, (_, i) => first + i + 1);
      const vectors = new VectorArray(ids.length, DIMENSIONS);
      for (const [i, id] of ids.entries()) vectors.setFloats(i, randomVector(DIMENSIONS, id));
      await pool.query(
        `update patient_embeddings p set embedding = ($1::vector[])[i.position]
         from unnest($2::bigint[]) with ordinality as i(id, position) where p.patient_id = i.id`,
        [vectors.toParameter(types[0]?.oid ?? 0), ids],
      );
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, write));
  const seconds = (performance.now() - started) / 1000;
  await pool.end();
  return seconds;
}

async function timed(url: string, statement: string): Promise<number> {
  return withClient(url, async (client) => {
    const started = performance.now();
    await client.query(statement);
    return (performance.now() - started) / 1000;
  });
}
