import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { withClient } from "../bench-database.ts";
import { median } from "../median.ts";
import type { Bench } from "../part.ts";
import { atMost, type Section } from "../report.ts";
import { startListener, type ListenerProcess, type Memory } from "../start-listener.ts";
import { startProvider } from "../start-provider.ts";
import { noteOf } from "../texts.ts";

const DIMENSIONS = 256;
const ROWS = 5_000;
const UPDATES_PER_SECOND = 60;
const TICK_MS = 500;

interface Sample extends Memory {
  readonly minutes: number;
  readonly updates: number;
  readonly connections: number;
}

/** Steady traffic for minutes: do the listener's memory and its connections stay constant? */
export async function soak({ server, quick, progress }: Bench): Promise<Section[]> {
  const minutes = quick ? 0.5 : 5;
  const everyMs = (minutes * 60_000) / 20;
  const template = await server.template("soak", DIMENSIONS, ROWS);
  const url = server.urlOf(template);
  const provider = await startProvider({ dimensions: DIMENSIONS, latencyMs: 20 });
  const listener = await startListener(url, provider.url);
  const samples: Sample[] = [];
  let left = 0;
  await withClient(url, async (client) => {
    const started = performance.now();
    let updates = 0;
    for (let next = everyMs; samples.length < 20;) {
      await client.query(
        "update patient_embeddings set context_text = n.text from unnest($1::bigint[], $2::text[]) n(id, text) where patient_id = n.id",
        changes(updates),
      );
      updates += (UPDATES_PER_SECOND * TICK_MS) / 1000;
      const now = performance.now() - started;
      if (now >= next) {
        next += everyMs;
        progress(`${(now / 60_000).toFixed(1)} of ${minutes} minutes`);
        samples.push({ minutes: now / 60_000, updates, ...(await look(client, listener)) });
      }
      await delay(Math.max(0, started + (updates / UPDATES_PER_SECOND) * 1000 - performance.now()));
    }
    await delay(2_000);
    const { rowCount } = await client.query("select from autoembed.embedding_queue");
    left = rowCount ?? 0;
  });
  await listener.stop();
  provider.close();
  await server.drop(template);
  return [report(minutes, samples, left)];
}

function report(minutes: number, samples: readonly Sample[], left: number): Section {
  const third = Math.floor(samples.length / 3);
  const growth = (of: (sample: Sample) => number): number =>
    median(samples.slice(-third).map(of)) / median(samples.slice(third, 2 * third).map(of));
  return {
    title: `Soak: ${UPDATES_PER_SECOND} updates/s for ${minutes} minutes, one listener, ${DIMENSIONS} dimensions`,
    columns: ["minute", "updates", "resident MB", "heap MB after gc", "buffers MB", "connections"],
    rows: samples.flatMap((sample, i) =>
      i % 2 === 0 && i < samples.length - 1
        ? []
        : [
            [
              sample.minutes.toFixed(1),
              sample.updates,
              sample.residentMegabytes,
              sample.heapMegabytes,
              sample.bufferMegabytes,
              sample.connections,
            ],
          ],
    ),
    bars: [
      atMost(
        "resident memory, last third against the previous third",
        growth((s) => s.residentMegabytes),
        1.1,
        "x",
      ),
      atMost(
        "heap after gc, last third against the previous third",
        growth((s) => s.heapMegabytes),
        1.1,
        "x",
      ),
      atMost("connections, at most", Math.max(...samples.map(({ connections }) => connections)), 11),
      atMost("rows left pending two seconds after the last update", left, 0),
    ],
  };
}

function changes(before: number): [number[], string[]] {
  const numbers = Array.from({ length: (UPDATES_PER_SECOND * TICK_MS) / 1000 }, (_, i) => before + i);
  return [
    numbers.map((number) => 1 + ((number * 7) % ROWS)),
    numbers.map((number) => noteOf(ROWS + 1 + number)),
  ];
}

async function look(
  client: pg.Client,
  listener: ListenerProcess,
): Promise<Memory & { readonly connections: number }> {
  const memory = await listener.memory();
  const { rows } = await client.query<{ connections: number }>(
    "select count(*)::int as connections from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'",
  );
  return { ...memory, connections: rows[0]?.connections ?? 0 };
}
