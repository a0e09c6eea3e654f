import pgListen from "pg-listen";
import pg from "pg";
import { setTimeout as delay } from "node:timers/promises";
import { withClient } from "../bench-database.ts";
import { median, percentile } from "../median.ts";
import type { Bench } from "../part.ts";
import { atMost, type Section } from "../report.ts";
import { startListener } from "../start-listener.ts";
import { startProvider } from "../start-provider.ts";
import { noteOf } from "../texts.ts";

const ROWS = 2_000;
const LOAD_PER_SECOND = 200;
const LONGEST_WAIT_MS = 30_000;

/** Time from sending an update until its vector is committed. */
export async function freshness(bench: Bench): Promise<Section[]> {
  const { server, quick, progress } = bench;
  const samples = quick ? 30 : 200;
  const idle = { ours: [] as number[], bare: [] as number[] };
  let loaded: number[] = [];
  const template = await server.template("freshness", 1536, ROWS, prepare);
  const provider = await startProvider({ dimensions: 1536, latencyMs: 0 });
  const url = server.urlOf(template);
  const listener = await startListener(url, provider.url);
  const barely = await startListener(url, provider.url, {}, true);
  await withClient(url, async (client) => {
    const current = await hearVectors(url);
    const sample = (table: string, i: number): Promise<number> => timeUpdate(client, current, table, i);
    for (let i = 1; i <= 10; i++) {
      await sample("patient_embeddings", i);
      await sample("plain_embeddings", i);
    }
    for (let i = 11; i < 11 + samples; i++) {
      idle.bare.push(await sample("plain_embeddings", i));
      idle.ours.push(await sample("patient_embeddings", i));
    }
    await barely.stop();
    progress(`under ${LOAD_PER_SECOND} updates/s`);
    loaded = await underLoad(url, () => series(samples, (i) => sample("patient_embeddings", i)));
    await current.close();
  });
  await listener.stop();
  provider.close();
  await server.drop(template);
  const backlog = await duringBackfill(bench);
  const line = (name: string, times: readonly number[]) => [
    name,
    median(times),
    percentile(times, 0.99),
    Math.max(...times),
  ];
  return [
    {
      title: "Freshness: from an update of one row to its vector, ms",
      columns: ["", "median", "p99", "worst"],
      rows: [
        line(`idle, pg-listen and one call, ${samples} samples`, idle.bare),
        line(`idle, ours, ${samples} samples`, idle.ours),
        line(`ours under ${LOAD_PER_SECOND} updates/s`, loaded),
        line(
          `ours during a backfill of ${backlog.rows.toLocaleString("en")} rows, provider 150 ms`,
          backlog.times,
        ),
      ],
      bars: [
        atMost(
          "idle median within 3 ms of pg-listen and one call",
          median(idle.ours) - median(idle.bare),
          3,
          " ms",
        ),
        atMost("idle p99 under 30 ms", percentile(idle.ours, 0.99), 30, " ms"),
        atMost(`p99 under ${LOAD_PER_SECOND} updates/s under 100 ms`, percentile(loaded, 0.99), 100, " ms"),
        atMost("p99 during the backfill under 1 s", percentile(backlog.times, 0.99), 1000, " ms"),
      ],
    },
  ];
}

/** A single change while a backlog is being drained at the provider's rate. */
async function duringBackfill({
  server,
  quick,
  progress,
}: Bench): Promise<{ rows: number; times: number[] }> {
  const rows = quick ? 50_000 : 1_000_000;
  progress(`during a backfill of ${rows} rows`);
  const template = await server.template("lone", 8, ROWS, async (client) => {
    await prepare(client);
    await client.query(
      `insert into patient_embeddings (patient_id, context_text) select n, 'note ' || n from generate_series(${ROWS + 1}, ${rows}) n`,
    );
    await client.query(
      "insert into autoembed.embedding_queue (source_id, key) select 1, patient_id::text from patient_embeddings where patient_id > $1",
      [ROWS],
    );
  });
  const url = server.urlOf(template);
  const provider = await startProvider({ dimensions: 8, latencyMs: 150 });
  const listener = await startListener(url, provider.url, {
    EMBED_BATCH_SIZE: "128",
    EMBED_MAX_CONCURRENCY: "4",
  });
  let times: number[] = [];
  await withClient(url, async (client) => {
    const current = await hearVectors(url);
    await delay(1_000);
    times = await series(quick ? 10 : 50, async (i) => {
      await delay(50 + 7 * (i % 10));
      return timeUpdate(client, current, "patient_embeddings", i);
    });
    await current.close();
  });
  await listener.stop();
  provider.close();
  await server.drop(template);
  return { rows, times };
}

/** Adds triggers that NOTIFY when a vector of a row below 1,000 is committed, in both tables. */
async function prepare(client: pg.Client): Promise<void> {
  await client.query("insert into plain_embeddings select * from patient_embeddings");
  await client.query(`
    create function tell() returns trigger language plpgsql as $$
    begin perform pg_notify(tg_argv[0], new.patient_id::text); return null; end $$`);
  for (const table of ["patient_embeddings", "plain_embeddings"]) {
    await client.query(`create trigger tell after update of embedding on ${table} for each row
      when (new.embedding is not null and new.patient_id < 1000) execute function tell('written')`);
  }
  await client.query(`create trigger ask after update of context_text on plain_embeddings for each row
    execute function tell('plain')`);
}

interface Current {
  /** Resolves when the row's vector has been written. */
  of(id: number): Promise<void>;
  close(): Promise<void>;
}

async function hearVectors(url: string): Promise<Current> {
  const waiting = new Map<string, () => void>();
  const subscriber = pgListen.default<{ written: string }>(
    { connectionString: url },
    { parse: (payload) => payload },
  );
  subscriber.events.on("error", () => undefined);
  subscriber.notifications.on("written", (id) => waiting.get(id)?.());
  await subscriber.connect();
  await subscriber.listenTo("written");
  return {
    of: (id) =>
      new Promise((resolve, reject) => {
        const late = setTimeout(() => {
          reject(new Error(`no vector within ${LONGEST_WAIT_MS} ms`));
        }, LONGEST_WAIT_MS);
        waiting.set(String(id), () => {
          clearTimeout(late);
          waiting.delete(String(id));
          resolve();
        });
      }),
    close: () => subscriber.close(),
  };
}

let version = 0;

async function timeUpdate(client: pg.Client, current: Current, table: string, i: number): Promise<number> {
  const id = 1 + (i % 900);
  const written = current.of(id);
  const started = performance.now();
  await client.query(`update ${table} set context_text = $1 where patient_id = $2`, [
    noteOf(1e6 + version++),
    id,
  ]);
  await written;
  return performance.now() - started;
}

async function series(times: number, step: (i: number) => Promise<number>): Promise<number[]> {
  const results = [];
  for (let i = 0; i < times; i++) results.push(await step(i));
  return results;
}

async function withPool<T>(url: string, work: (pool: pg.Pool) => Promise<T>): Promise<T> {
  const pool = new pg.Pool({ connectionString: url, max: 4 });
  try {
    return await work(pool);
  } finally {
    await pool.end();
  }
}

/** Runs `work` while other rows are updated one by one at a steady rate. */
async function underLoad(url: string, work: () => Promise<number[]>): Promise<number[]> {
  return withPool(url, async (pool) => {
    const writing = new Set<Promise<unknown>>();
    let i = 0;
    const timer = setInterval(() => {
      const write = pool.query("update patient_embeddings set context_text = $1 where patient_id = $2", [
        noteOf(2e6 + i),
        1_000 + (i++ % (ROWS - 1_000)),
      ]);
      writing.add(write);
      void write.finally(() => writing.delete(write));
    }, 1000 / LOAD_PER_SECOND);
    await delay(1_000);
    const times = await work();
    clearInterval(timer);
    await Promise.all(writing);
    return times;
  });
}
